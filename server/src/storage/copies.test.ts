import { describe, expect, test } from 'vitest'
import { SimulatedDisk } from './disk.fake.ts'
import { StoreDamaged } from './store.ts'
import { DATA, diskWith, openStoreOn, startStoreOn } from './testing/open-store.ts'
import { byId, loadFrom, offline, online } from './testing/sample-records.ts'

/*
 * Files that are complete but in the wrong place: copies, leftovers, and segments that are missing although
 * the lock names them.
 */

const MAIN = 'user_state.json'
const segment = (journal: number) => `user_state_journal.${String(journal).padStart(6, '0')}.log`

type Files = Readonly<Record<string, Buffer | string>>

/** A process that changes its users in each of several segments, and then crashes or stops. */
async function runProcess(disk: SimulatedDisk, end: 'crash' | 'stop', saves = 3) {
  const { store, log, users, put } = await startStoreOn(disk)
  for (let round = 1; round <= saves; round += 1) {
    for (const userId of ['a', 'b', 'c']) put(offline(userId, round * 1_000))
    await store.save()
  }
  put(offline('newest', 9_000))
  await store.flush()
  if (end === 'stop') await store.close()
  return { users, log, files: Object.fromEntries((end === 'crash' ? disk.kill() : disk).files()) as Files }
}

async function read(files: Files) {
  const disk = diskWith(files)
  const { store, log } = openStoreOn(disk)
  const users = await loadFrom(store)
  await store.close()
  return { users, errors: log.errors.join('\n'), disk }
}

const without = (files: Files, ...names: string[]): Files =>
  Object.fromEntries(Object.entries(files).filter(([name]) => !names.includes(name)))

const kept = (disk: SimulatedDisk, name: string) =>
  [...disk.files().keys()].some(found => found.startsWith(`${name}.damaged-`))

describe('a segment is read only in its own place', () => {
  test.for(['crash', 'stop'] as const)(
    '[Z4] an old segment copied to a higher number, after a %s',
    async end => {
      const { files, users } = await runProcess(new SimulatedDisk(), end)
      const names = Object.keys(files)
        .filter(name => name.includes('journal'))
        .sort()
      for (const name of names.slice(0, -1)) {
        for (const number of [5, 99, 999_999_999_999_999]) {
          const copied = await read({ ...files, [segment(number)]: files[name] ?? '' })
          expect(copied.users).toEqual(users)
          expect(copied.errors).toContain('is a copy of segment')
          expect(kept(copied.disk, segment(number))).toBe(true)
        }
      }
    },
  )

  test('[Z4] a copy in the place of another segment: its changes are reported as lost, and nothing is reset to old values', async () => {
    const { files, users } = await runProcess(new SimulatedDisk(), 'crash')
    const { users: found, errors } = await read({ ...files, [segment(4)]: files[segment(3)] ?? '' })
    expect(errors).toContain('is a copy of segment 3')
    users.delete('newest')
    expect(found).toEqual(users)
  })

  test.for([
    ['cut off', (content: Buffer) => content.subarray(0, 20)],
    [
      'a flipped bit',
      (content: Buffer) => Buffer.from(content.map((byte, at) => (at === 30 ? byte ^ 1 : byte))),
    ],
    ['without its first line', (content: Buffer) => content.subarray(content.indexOf('\n') + 1)],
    ['empty', () => Buffer.alloc(0)],
  ] as const)('[Z4] a segment with a damaged head (%s) is moved aside and not read', async ([, damage]) => {
    const { files, users } = await runProcess(new SimulatedDisk(), 'crash')
    const content = Buffer.from(files[segment(4)] ?? '')
    const { users: found, errors, disk } = await read({ ...files, [segment(4)]: damage(content) })
    expect(errors).toContain('segment 4: its head is damaged')
    users.delete('newest')
    expect(found).toEqual(users)
    expect(kept(disk, segment(4))).toBe(true)
    expect(disk.files().has(segment(4))).toBe(false)
  })

  test('[Z4] a segment of another state with the right number is not read', async () => {
    const { files, users } = await runProcess(new SimulatedDisk(), 'stop')
    const other = await runProcess(new SimulatedDisk(), 'stop', 4)
    const { users: found, errors } = await read({ ...files, [segment(5)]: other.files[segment(5)] ?? '' })
    expect(found).toEqual(users)
    expect(errors).toContain('segment 5 belongs to another state')
  })

  test('[Z4] a state file of another directory is not combined with this journal', async () => {
    const disk = new SimulatedDisk()
    const { files } = await runProcess(disk, 'stop')
    const other = new SimulatedDisk()
    const { store } = openStoreOn(other)
    const users = byId(offline('someone else', 5), offline('a', 7))
    await store.load()
    await store.start(() => users.values())
    store.put(offline('a', 7))
    for (let save = 0; save < 3; save += 1) await store.save()
    await store.close()
    const { users: found, errors } = await read({ ...files, [MAIN]: other.files().get(MAIN) ?? '' })
    expect(found).toEqual(users)
    expect(errors).toContain('belongs to another state than user_state.json')
  })

  test('[Z4] if the backup was copied over the main file, nothing is lost', async () => {
    const { files, users } = await runProcess(new SimulatedDisk(), 'crash')
    const found = await read({ ...files, [MAIN]: files['user_state_backup.json'] ?? '' })
    expect(found.users).toEqual(users)
    expect(found.errors).toBe('')
  })

  test('[Z4] an old main file with a newer journal is reported', async () => {
    const disk = new SimulatedDisk()
    const old = await runProcess(disk, 'stop', 1)
    const { files } = await runProcess(disk, 'stop')
    const { errors } = await read({ ...files, [MAIN]: old.files[MAIN] ?? '' })
    expect(errors).toContain('segment 2 is missing')
  })

  test('control: unchanged files are read completely, without an error', async () => {
    for (const end of ['crash', 'stop'] as const) {
      const { files, users } = await runProcess(new SimulatedDisk(), end)
      const found = await read(files)
      expect(found.users).toEqual(users)
      expect(found.errors).toBe('')
    }
  })
})

describe('the newest segment that the lock of a crashed process names', () => {
  test('[Z5] was deleted: reported, and the rest is loaded', async () => {
    const { files, users } = await runProcess(new SimulatedDisk(), 'crash')
    const found = await read(without(files, segment(4)))
    expect(found.errors).toContain('segment 4, the newest of the last process, is missing')
    users.delete('newest')
    expect(found.users).toEqual(users)
  })

  test('[Z5] was deleted: its number is not used again', async () => {
    const { files } = await runProcess(new SimulatedDisk(), 'crash')
    const disk = diskWith(without(files, segment(4)))
    const { store } = openStoreOn(disk)
    await store.load()
    await store.start(() => [])
    expect([...disk.files().keys()]).toContain(segment(5))
  })

  test.each([1e15, Number.MAX_SAFE_INTEGER])(
    '[Z5] is %d in a damaged lock: reported, and the state can still be saved and read',
    async segment => {
      const { files, users } = await runProcess(new SimulatedDisk(), 'crash')
      const stateId = 'a state that never was'
      const disk = diskWith({ ...files, lock: JSON.stringify({ pid: 1, boot: 'x', stateId, segment }) })
      for (let start = 0; start < 3; start += 1) {
        const { store, log } = openStoreOn(disk)
        expect(await loadFrom(store)).toEqual(users)
        expect(log.errors.join()).toContain(start === 0 ? `segment ${segment}, the newest` : '')
        await store.start(() => users.values())
        users.set(`in ${start}`, offline(`in ${start}`, 10_000))
        store.put(offline(`in ${start}`, 10_000))
        await store.save()
        await store.close()
      }
    },
  )

  test('[Z5] was deleted with all state files: refused without changes, and the error names the file to delete', async () => {
    const { files } = await runProcess(new SimulatedDisk(), 'crash')
    const disk = diskWith(without(files, ...Object.keys(files).filter(name => name !== 'lock')))
    const before = disk.files()
    for (let start = 0; start < 3; start += 1) {
      const loading = openStoreOn(disk).store.load()
      await expect(loading).rejects.toThrow(StoreDamaged)
      await expect(loading).rejects.toThrow(`delete ${DATA}/lock to start with an empty state`)
      expect(disk.files()).toEqual(before)
    }
    await disk.remove(`${DATA}/lock`)
    expect((await loadFrom(openStoreOn(disk).store)).size).toBe(0)
  })

  test('[Z5] is unknown because the lock is damaged, and there is no state: refused', async () => {
    await expect(read({ lock: '\0'.repeat(100) })).rejects.toThrow('is damaged, so it is not known')
  })

  test('[Z5] a crash at any operation of the first start does not block the next one', async () => {
    let operations = 0
    for (let cutAfter = 1; cutAfter <= operations + 1; cutAfter += 1) {
      const disk = new SimulatedDisk()
      disk.cutAt = cutAfter
      const { store } = openStoreOn(disk)
      const work = async () => {
        await store.load()
        await store.start(() => [])
        store.put(online('a'))
        await store.flush()
      }
      await Promise.race([work(), disk.powerCut])
      operations = Math.max(operations, disk.operations.length)
      for (const after of [disk.kill(), disk.cutPower(() => 0.1), disk.cutPower(() => 0.9)]) {
        const next = openStoreOn(after)
        await next.store.load()
        expect(next.log.errors).toEqual([])
        await next.store.close()
      }
    }
    expect(operations).toBeGreaterThan(20)
  })

  test('[Z5] is kept in the lock by a start that crashes before it has written anything', async () => {
    const { files } = await runProcess(new SimulatedDisk(), 'crash')
    const onlyLock = without(files, ...Object.keys(files).filter(name => name !== 'lock'))
    for (let cutAfter = 1; cutAfter < 40; cutAfter += 1) {
      const disk = diskWith(onlyLock)
      disk.cutAt = cutAfter
      await Promise.race([
        openStoreOn(disk)
          .store.load()
          .catch(() => {}),
        disk.powerCut,
      ])
      await expect(openStoreOn(disk.kill()).store.load()).rejects.toThrow('to start with an empty state')
    }
  })

  test('[Z5] is absent in a lock of an earlier version, which has no effect', async () => {
    const { files, users } = await runProcess(new SimulatedDisk(), 'crash')
    const found = await read({ ...files, lock: '{"pid":1,"started":"0","boot":"x","id":"y"}\n' })
    expect(found.users).toEqual(users)
    expect(found.errors).toBe('')
  })

  test('control: after a clean stop no lock is left, and an empty directory is accepted', async () => {
    const { files } = await runProcess(new SimulatedDisk(), 'stop')
    expect(Object.keys(files)).not.toContain('lock')
    expect((await read(without(files, ...Object.keys(files)))).users.size).toBe(0)
  })
})
