import { type ChildProcess, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { SimulatedDisk } from './disk.fake.ts'
import { type Disk, nodeDisk } from './disk.ts'
import { SimulatedHost } from './host.fake.ts'
import { type Host, type Owner, thisHost } from './host.ts'
import { Lock } from './lock.ts'
import { claimName } from './lock-takeover.ts'
import { StoreLocked } from './store.ts'
import type { Answer, Command } from './testing/lock-process.ts'
import { newDirectory } from './testing/open-store.ts'

const LOCK = '/data/lock'

/** The content of a lock whose owner ended without removing it. */
const staleLock = (owner: Partial<Owner>) => `${JSON.stringify({ ...owner, id: 'x' })}\n`

describe('a lock', () => {
  const lockWith = async (content: string | undefined) => {
    const directory = newDirectory()
    const path = join(directory, 'lock')
    if (content !== undefined) await writeFile(path, content)
    return { directory, path }
  }

  test('has one owner, whom the error for all others names, and can be released', async () => {
    const { directory, path } = await lockWith(undefined)
    const lock = await Lock.acquire(nodeDisk, path, thisHost)
    expect(lock.stale).toBeUndefined()
    const second = Lock.acquire(nodeDisk, path, thisHost)
    await expect(second).rejects.toThrow(StoreLocked)
    await expect(second).rejects.toThrow(`process ${process.pid} `)
    await lock.release()
    expect(await readdir(directory)).toEqual([])
  })

  const { started, boot } = thisHost.self
  test.for([
    ['a process that ended', staleLock({ pid: 4_194_304, started: '1', ...(boot && { boot }) })],
    [
      'a pid that another process has now',
      staleLock({ pid: process.ppid, started: '1', ...(boot && { boot }) }),
    ],
    ['our own pid, as after a restart of a container', staleLock({ pid: process.pid, started: '1' })],
    ['a process of an earlier boot', staleLock({ pid: process.ppid, boot: 'another' })],
    ['a process on a system without /proc', staleLock({ pid: 4_194_304 })],
    ['a power cut, empty', ''],
    ['a power cut, half', '{"pid":'],
    ['a power cut, zeros', '\0'.repeat(64)],
    ['an invalid pid', '{"pid":-1}'],
  ] as const)('of %s does not block a start', async ([, content]) => {
    const { directory, path } = await lockWith(content)
    const lock = await Lock.acquire(nodeDisk, path, thisHost)
    expect(lock.stale).toBeDefined()
    expect(await readdir(directory)).toEqual(['lock', expect.stringMatching(/^lock\.[-0-9a-f]{36}\.sock$/)])
    await lock.release()
    expect(await readdir(directory)).toEqual([])
  })

  test.skipIf(!started)('of a running process is respected', async () => {
    const child = spawn('sleep', ['60'])
    try {
      const { path } = await lockWith(staleLock({ pid: child.pid ?? 0 }))
      await expect(Lock.acquire(nodeDisk, path, thisHost)).rejects.toThrow(`process ${child.pid} `)
      child.kill('SIGKILL')
      await once(child, 'exit')
      await Lock.acquire(nodeDisk, path, thisHost)
    } finally {
      child.kill('SIGKILL')
    }
  })

  test('is not removed by a process that has lost it', async () => {
    const { path } = await lockWith(undefined)
    const lock = await Lock.acquire(nodeDisk, path, thisHost)
    const others = staleLock({ pid: 4_194_304 })
    await writeFile(path, others)
    await lock.release()
    expect((await Lock.acquire(nodeDisk, path, thisHost)).stale).toBeDefined()
  })

  test('can be undone, which restores the stale lock', async () => {
    const content = staleLock({ pid: 4_194_304 })
    const disk = new SimulatedDisk()
    disk.put(LOCK, content)
    await (await Lock.acquire(disk, LOCK, thisHost)).undo()
    expect(disk.files()).toEqual(new Map([['lock', Buffer.from(content)]]))
    await disk.remove(LOCK)
    await (await Lock.acquire(disk, LOCK, thisHost)).undo()
    expect(disk.files()).toEqual(new Map())
  })
})

describe('a race for a lock', () => {
  type Acquire = (disk: Disk, host: Host) => Promise<unknown>
  const storeAcquire: Acquire = (disk, host) => Lock.acquire(disk, LOCK, host)

  /**
   * A common mistake: two processes see the same stale lock, and the second one removes the lock of the
   * first.
   */
  const removeAndLink: Acquire = async (disk, host) => {
    const own = `${LOCK}.${host.self.started}`
    const file = await disk.create(own)
    await file.write(Buffer.from(staleLock(host.self)))
    await disk.remove(LOCK).catch(() => {})
    await disk.link(own, LOCK)
  }

  /**
   * Processes race in random orders of their steps, and some are killed. Counts the running processes that
   * won.
   */
  const oneWins = (acquire: Acquire) =>
    fc.asyncProperty(
      fc.scheduler(),
      fc.constantFrom(
        undefined,
        '',
        staleLock({ pid: 1, started: '0' }),
        `${JSON.stringify({ pid: 1, started: '0', id: 'x', stateId: 's', segment: 7 })}\n`,
      ),
      fc.boolean(),
      fc.array(fc.option(fc.integer({ min: 1, max: 16 })), { minLength: 2, maxLength: 4 }),
      async (scheduler, found, claimed, deaths) => {
        const disk = new SimulatedDisk()
        await disk.makeDirectory('/data', 'with parents')
        if (found !== undefined) {
          disk.put(LOCK, found)
          if (claimed) disk.put(claimName(LOCK, Buffer.from(found), 0), staleLock({ pid: 1, started: '0' }))
        }
        const host = new SimulatedHost()
        const winners = new Set<ReturnType<typeof host.process>>()
        const racers = deaths.map(async dieAfter => {
          const racer = host.process()
          let steps = 0
          const scheduled = new Proxy(disk, {
            get:
              (target, name: keyof Disk) =>
              async (...args: Parameters<Disk[typeof name]>) => {
                await scheduler.schedule(Promise.resolve(), `${racer.self.started} ${name}`)
                steps += 1
                if (dieAfter !== null && steps > dieAfter) {
                  racer.kill()
                  throw new Error('died')
                }
                return Reflect.apply(target[name], target, args)
              },
          })
          const asking: Host = {
            self: racer.self,
            isRunning: async owner => {
              await scheduler.schedule(Promise.resolve(), `${racer.self.started} isRunning`)
              return racer.isRunning(owner)
            },
          }
          await acquire(scheduled, asking).then(
            () => winners.add(racer),
            () => {},
          )
        })
        await scheduler.waitFor(Promise.all(racers))
        const living = [...winners].filter(winner => winner.isRunning(winner.self))
        expect(living.length).toBeLessThanOrEqual(1)
        if (deaths.every(death => death === null)) expect(living).toHaveLength(1)
        // In every case, when all processes have ended, the next one acquires the lock.
        const last = await Lock.acquire(disk, LOCK, {
          self: { pid: 1, started: 'last' },
          isRunning: () => false,
        })
        // It also knows the newest segment of the first owner, even if later owners ended before writing
        // anything.
        if (found?.includes('segment') && acquire === storeAcquire)
          expect(last.stale?.newest).toEqual({ stateId: 's', segment: 7 })
      },
    )

  test('has exactly one winner in every order of steps', async () => {
    await fc.assert(oneWins(storeAcquire), { numRuns: 1_000 })
  })

  test('control: with remove-and-link, two processes win', async () => {
    const { failed } = await fc.check(oneWins(removeAndLink), { numRuns: 1_000, endOnFailure: true })
    expect(failed).toBe(true)
  })

  describe('between real processes', () => {
    const RACERS = 10
    let racers: ChildProcess[] = []

    beforeAll(async () => {
      racers = Array.from({ length: RACERS }, () =>
        fork(join(import.meta.dirname, 'testing/lock-process.ts'), {
          execArgv: ['--conditions=@who-is-online/source'],
        }),
      )
      await Promise.all(racers.map(racer => once(racer, 'message')))
    })
    afterAll(() => {
      for (const racer of racers) racer.disconnect()
    })

    const ask = async (racer: ChildProcess, command: Command): Promise<Answer> => {
      const answer = once(racer, 'message')
      racer.send(command)
      return (await answer)[0]
    }

    test('has exactly one winner each time', async () => {
      const leftovers = [
        undefined,
        '',
        staleLock({ pid: 4_194_304 }),
        staleLock({ pid: process.ppid, started: '1' }),
        staleLock({ pid: process.pid, boot: 'old' }),
      ]
      for (let round = 0; round < 40; round += 1) {
        const path = join(newDirectory(), 'lock')
        const leftover = leftovers[round % leftovers.length]
        if (leftover !== undefined) await writeFile(path, leftover)
        const answers = await Promise.all(racers.map(racer => ask(racer, { take: path })))
        const winners = racers.filter(
          (_, index) => answers[index] && 'took' in answers[index] && answers[index].took,
        )
        expect(winners, JSON.stringify(answers)).toHaveLength(1)
        for (const answer of answers) {
          if ('took' in answer && !answer.took) expect(answer.why).toContain(`process ${winners[0]?.pid} `)
        }
        await Promise.all(racers.map(racer => ask(racer, { release: true })))
      }
    })
  })
})
