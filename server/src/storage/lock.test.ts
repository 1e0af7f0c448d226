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
import { claimName, Lock } from './lock.ts'
import { StoreLocked } from './store.ts'
import type { Answer, Command } from './testing/lock-process.ts'
import { newDirectory } from './testing/open-store.ts'

const LOCK = '/data/lock'

/** A lock as a process leaves it that went without a word. */
const left = (owner: Partial<Owner>) => `${JSON.stringify({ ...owner, id: 'x' })}\n`

describe('a lock', () => {
  const lockWith = async (content: string | undefined) => {
    const directory = newDirectory()
    const path = join(directory, 'lock')
    if (content !== undefined) await writeFile(path, content)
    return { directory, path }
  }

  test('is held by one, named to all others, and let go of', async () => {
    const { directory, path } = await lockWith(undefined)
    const lock = await Lock.acquire(nodeDisk, path, thisHost)
    expect(lock.dead).toBeUndefined()
    const second = Lock.acquire(nodeDisk, path, thisHost)
    await expect(second).rejects.toThrow(StoreLocked)
    await expect(second).rejects.toThrow(`process ${process.pid} `)
    await lock.release()
    expect(await readdir(directory)).toEqual([])
  })

  const { started, boot } = thisHost.self
  test.for([
    ['a process that ended', left({ pid: 4_194_304, started: '1', ...(boot && { boot }) })],
    ['a pid that another process has now', left({ pid: process.ppid, started: '1', ...(boot && { boot }) })],
    ['our own pid, as in a container that was started again', left({ pid: process.pid, started: '1' })],
    ['a process before the machine was started again', left({ pid: process.ppid, boot: 'another' })],
    ['a process where there is no /proc', left({ pid: 4_194_304 })],
    ['a power cut, empty', ''],
    ['a power cut, half', '{"pid":'],
    ['a power cut, zeros', '\0'.repeat(64)],
    ['no pid at all', '{"pid":-1}'],
  ] as const)("of %s is in nobody's way", async ([, content]) => {
    const { directory, path } = await lockWith(content)
    const lock = await Lock.acquire(nodeDisk, path, thisHost)
    expect(lock.dead).toBeDefined()
    expect(await readdir(directory)).toEqual(['lock', expect.stringMatching(/^lock\.[-0-9a-f]{36}\.sock$/)])
    await lock.release()
    expect(await readdir(directory)).toEqual([])
  })

  test.skipIf(!started)('of a process that runs is respected, whatever it does', async () => {
    const child = spawn('sleep', ['60'])
    try {
      const { path } = await lockWith(left({ pid: child.pid ?? 0 }))
      await expect(Lock.acquire(nodeDisk, path, thisHost)).rejects.toThrow(`process ${child.pid} `)
      child.kill('SIGKILL')
      await once(child, 'exit')
      await Lock.acquire(nodeDisk, path, thisHost)
    } finally {
      child.kill('SIGKILL')
    }
  })

  test('is not removed by who lost it', async () => {
    const { path } = await lockWith(undefined)
    const lock = await Lock.acquire(nodeDisk, path, thisHost)
    const others = left({ pid: 4_194_304 })
    await writeFile(path, others)
    await lock.release()
    expect((await Lock.acquire(nodeDisk, path, thisHost)).dead).toBeDefined()
  })

  test('undone is as it was found', async () => {
    const content = left({ pid: 4_194_304 })
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
  const asTheStoreDoes: Acquire = (disk, host) => Lock.acquire(disk, LOCK, host)

  /** What is written everywhere: two see the same dead lock, and the second removes what the first put there. */
  const removeAndTake: Acquire = async (disk, host) => {
    const own = `${LOCK}.${host.self.started}`
    const file = await disk.create(own)
    await file.write(Buffer.from(left(host.self)))
    await disk.remove(LOCK).catch(() => {})
    await disk.link(own, LOCK)
  }

  /** Processes race in every order of their steps; some die on the way; all that won and live are counted. */
  const oneWins = (acquire: Acquire) =>
    fc.asyncProperty(
      fc.scheduler(),
      fc.constantFrom(
        undefined,
        '',
        left({ pid: 1, started: '0' }),
        `${JSON.stringify({ pid: 1, started: '0', id: 'x', stateId: 's', segment: 7 })}\n`,
      ),
      fc.boolean(),
      fc.array(fc.option(fc.integer({ min: 1, max: 16 })), { minLength: 2, maxLength: 4 }),
      async (scheduler, found, claimed, deaths) => {
        const disk = new SimulatedDisk()
        await disk.makeDirectory('/data', 'with parents')
        if (found !== undefined) {
          disk.put(LOCK, found)
          if (claimed) disk.put(claimName(LOCK, Buffer.from(found), 0), left({ pid: 1, started: '0' }))
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
        // However it went: when all are dead, the next one gets it.
        const last = await Lock.acquire(disk, LOCK, {
          self: { pid: 1, started: 'last' },
          isRunning: () => false,
        })
        // And it inherits what the first one was writing, however many heirs died before they wrote anything.
        if (found?.includes('segment') && acquire === asTheStoreDoes)
          expect(last.dead?.newest).toEqual({ stateId: 's', segment: 7 })
      },
    )

  test('is won by exactly one, in whatever order the steps are taken', async () => {
    await fc.assert(oneWins(asTheStoreDoes), { numRuns: 1_000 })
  })

  test('control: with remove-and-take, two win', async () => {
    const { failed } = await fc.check(oneWins(removeAndTake), { numRuns: 1_000, endOnFailure: true })
    expect(failed).toBe(true)
  })

  describe('of real processes', () => {
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

    const ask = async (racer: ChildProcess, order: Command): Promise<Answer> => {
      const answer = once(racer, 'message')
      racer.send(order)
      return (await answer)[0]
    }

    test('is won by exactly one, each time', async () => {
      const leftovers = [
        undefined,
        '',
        left({ pid: 4_194_304 }),
        left({ pid: process.ppid, started: '1' }),
        left({ pid: process.pid, boot: 'old' }),
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
