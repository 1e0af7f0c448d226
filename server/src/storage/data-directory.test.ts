import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { SimulatedDisk } from './disk.fake.ts'
import { SimulatedHost } from './host.fake.ts'
import { StoreLocked, type UserRecord } from './store.ts'
import { DATA, openStoreOn } from './testing/open-store.ts'
import { loadFrom, offline, online } from './testing/sample-records.ts'

const MAIN = `${DATA}/user_state.json`
const BACKUP = `${DATA}/user_state_backup.json`

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
})
afterEach(() => {
  vi.useRealTimers()
})

const elapse = async (ms: number) => {
  for (let past = 0; past < ms; past += 20) {
    vi.advanceTimersByTime(20)
    for (let turn = 0; turn < 400; turn += 1) await Promise.resolve()
  }
}

/** A server's store that has saved twice, so that main, backup, journal and lock are there. */
async function begin(disk = new SimulatedDisk(), host = new SimulatedHost()) {
  const process = host.process()
  const { store, log } = openStoreOn(disk, { host: process })
  const users = await loadFrom(store)
  await store.start(() => users.values())
  const note = (record: UserRecord) => {
    users.set(record.userId, record)
    store.note(record)
  }
  note(online('before'))
  await store.save()
  await store.save()
  note(online('in the journal'))
  await store.flush()
  log.infos.length = 0
  return { disk, host, process, store, log, users, note }
}

const newestSegment = (disk: SimulatedDisk) => {
  const [name] = [...disk.files().keys()]
    .filter(name => name.includes('journal'))
    .sort()
    .slice(-1)
  return `${DATA}/${name}`
}

/** What a process reads after this one was killed. */
async function afterKill(disk: SimulatedDisk) {
  const { store, log } = openStoreOn(disk.kill())
  return { users: await loadFrom(store), errors: log.errors }
}

describe('files that others remove while the server runs', () => {
  test.for<readonly [what: string, act: (disk: SimulatedDisk) => void | Promise<void>]>([
    ['the directory', disk => disk.removeTree(DATA)],
    ['the directory, moved away', disk => disk.moveTree(DATA, '/elsewhere')],
    ['the lock', disk => disk.remove(`${DATA}/lock`)],
    ['the newest segment', disk => disk.remove(newestSegment(disk))],
    ['the newest segment, replaced', disk => disk.put(newestSegment(disk), 'something else')],
    ['the main file', disk => disk.remove(MAIN)],
    ['the backup', disk => disk.remove(BACKUP)],
    ['the main file, replaced', disk => disk.put(MAIN, '{"x":{"status":"offline","lastSeen":1}}')],
    ['the backup, replaced', disk => disk.put(BACKUP, '{}')],
  ])(
    '[Z2] %s: noticed within 2 s though nothing is noted, saved again within 5 s, both said once',
    async ([, act]) => {
      const { disk, store, log, users, note } = await begin()
      await act(disk)
      let noticed = 0
      for (; store.health().state === 'ok' && log.errors.length === 0 && noticed < 5_000; noticed += 20)
        await elapse(20)
      expect(noticed).toBeLessThanOrEqual(2_000)
      note(offline('noted meanwhile'))
      await elapse(5_000)
      expect(store.health()).toEqual({ state: 'ok' })
      expect(log.errors.filter(text => text.includes('can not be saved'))).toEqual([
        expect.stringMatching(/was (removed|replaced) while the server was using it/),
      ])
      expect(log.infos).toEqual([expect.stringContaining('the state is saved again')])
      note(offline('after'))
      await store.flush()
      expect(disk.files().get('lock')).toBeDefined()
      const { users: left, errors } = await afterKill(disk)
      expect(left).toEqual(users)
      expect(errors).toEqual([])
    },
  )

  test('[Z2] a batch is not acknowledged when its segment is gone', async () => {
    const { disk, store, note, users } = await begin()
    disk.removeTree(DATA)
    note(offline('lost?'))
    await expect(store.flush()).rejects.toThrow('was removed')
    await elapse(3_000)
    await store.flush()
    expect((await afterKill(disk)).users).toEqual(users)
  })

  test('[Z2] a stop right after the directory was removed saves everything', async () => {
    const { disk, store, note, users } = await begin()
    disk.removeTree(DATA)
    note(offline('last'))
    await store.save()
    await store.close()
    expect((await afterKill(disk)).users).toEqual(users)
  })

  test('[Z2] a parent that is gone is waited for', async () => {
    const disk = new SimulatedDisk()
    await disk.makeDirectory('/volume', 'with parents')
    const { store, log } = openStoreOn(disk, { dataDir: '/volume/data' })
    const users = await loadFrom(store)
    await store.start(() => users.values())
    disk.removeTree('/volume/data')
    disk.removeTree('/volume')
    await elapse(20_000)
    expect(store.health()).toMatchObject({ state: 'failing', error: expect.stringContaining('ENOENT') })
    expect(log.errors).toHaveLength(1)
    await disk.makeDirectory('/volume', 'with parents')
    await elapse(5_000)
    expect(store.health()).toEqual({ state: 'ok' })
  })

  test('[Z2] a volume that was away and comes back, with our own files on it', async () => {
    const { disk, store, note, users } = await begin()
    disk.moveTree(DATA, '/unmounted')
    await elapse(5_000)
    note(offline('while away'))
    await store.flush()
    disk.removeTree(DATA)
    disk.moveTree('/unmounted', DATA)
    await elapse(5_000)
    expect(store.health()).toEqual({ state: 'ok' })
    note(offline('after'))
    await store.flush()
    const { users: left, errors } = await afterKill(disk)
    expect(left).toEqual(users)
    expect(errors).toEqual([])
  })

  test('[Z2] a file that somebody put in the place of the state is kept aside', async () => {
    const { disk } = await begin()
    const imported = '{"someone else":{"status":"offline","lastSeen":1}}'
    disk.put(MAIN, imported)
    await elapse(5_000)
    const kept = [...disk.files()].find(([name]) => name.startsWith('user_state.json.replaced-'))
    expect(kept?.[1].toString()).toBe(imported)
  })

  test('[Z2] killed before it could save again: the next start serves, and says what is lost', async () => {
    const { disk, store, note } = await begin()
    disk.removeTree(DATA)
    disk.fault = ({ name, path }) =>
      name === 'create' && path.includes('user_state.json') ? 'ENOSPC' : undefined
    await elapse(5_000)
    expect(store.health().state).toBe('failing')
    note(offline('after'))
    await store.flush().catch(() => {})
    disk.fault = () => undefined
    const { users, errors } = await afterKill(disk)
    expect([...users.keys()]).toEqual(['after'])
    expect(errors.join('\n')).toContain('the files were removed while the server ran')
  })

  test('control: a store that nobody disturbs says nothing', async () => {
    const { store, log } = await begin()
    await elapse(30_000)
    expect(store.health()).toEqual({ state: 'ok' })
    expect([log.errors, log.infos]).toEqual([[], []])
  })
})

describe('another process takes the place', () => {
  const filesOf = (disk: SimulatedDisk) =>
    new Map([...disk.files()].filter(([name]) => !name.startsWith('lock')))

  const others = async (disk: SimulatedDisk, host: SimulatedHost) => {
    const process = host.process()
    const { store } = openStoreOn(disk, { host: process })
    const users = await loadFrom(store)
    await store.start(() => users.values())
    users.set('other', offline('other'))
    store.note(offline('other'))
    await store.save()
    return { store, process }
  }

  const holdsOff = async ({ disk, store, log, note }: Awaited<ReturnType<typeof begin>>) => {
    note(offline('mine'))
    await elapse(5_000)
    const files = filesOf(disk)
    note(offline('mine too'))
    await elapse(20_000)
    expect(store.health()).toMatchObject({
      state: 'failing',
      error: expect.stringContaining('stop one of the two'),
    })
    expect(log.errors.filter(text => text.includes('stop one of the two'))).toHaveLength(1)
    await expect(store.flush()).rejects.toThrow(StoreLocked)
    await expect(store.save()).rejects.toThrow(StoreLocked)
    const lock = disk.files().get('lock')
    await store.close()
    expect(filesOf(disk)).toEqual(files)
    expect(disk.files().get('lock')).toEqual(lock)
    const { users } = await afterKill(disk)
    expect([...users.keys()]).toContain('other')
    expect([...users.keys()]).not.toContain('mine')
  }

  test('[Z3] the lock was removed and another process started: this one stops writing, and says so', async () => {
    const left = await begin()
    await left.disk.remove(`${DATA}/lock`)
    await others(left.disk, left.host)
    await holdsOff(left)
  })

  test('[Z3] the directory was removed and another process started in it', async () => {
    const left = await begin()
    left.disk.removeTree(DATA)
    await others(left.disk, left.host)
    await holdsOff(left)
  })

  test.for(['stopped', 'crashed'] as const)('[Z3] and the other process has %s since', async end => {
    const left = await begin()
    await left.disk.remove(`${DATA}/lock`)
    const { store, process } = await others(left.disk, left.host)
    if (end === 'stopped') await store.close()
    process.kill()
    await holdsOff(left)
  })

  test('[Z3] in a new directory, and it has stopped since', async () => {
    const left = await begin()
    left.disk.removeTree(DATA)
    const { store, process } = await others(left.disk, left.host)
    await store.close()
    process.kill()
    await holdsOff(left)
  })

  test('[Z3] a save that is under way is not published', async () => {
    const left = await begin()
    const { disk, store, host } = left
    let isTaken = false
    disk.fault = ({ name, path }) => {
      if (name === 'sync' && path.endsWith('user_state.json.tmp') && !isTaken) {
        isTaken = true
        disk.put(`${DATA}/lock`, `${JSON.stringify({ ...host.process().self, id: 'other' })}\n`)
      }
      return undefined
    }
    const main = disk.files().get('user_state.json')
    await expect(store.save()).rejects.toThrow('replaced')
    expect(disk.files().get('user_state.json')).toEqual(main)
    await elapse(5_000)
    expect(disk.files().get('user_state.json')).toEqual(main)
    expect(store.health()).toMatchObject({ error: expect.stringContaining('stop one of the two') })
  })

  test('control: a lock that a dead process left in its place is taken over', async () => {
    const { disk, store, users } = await begin()
    disk.put(`${DATA}/lock`, `${JSON.stringify({ pid: 1, started: 'dead', id: 'other' })}\n`)
    await elapse(5_000)
    expect(store.health()).toEqual({ state: 'ok' })
    expect((await afterKill(disk)).users).toEqual(users)
  })
})
