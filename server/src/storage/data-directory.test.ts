import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { SimulatedDisk } from './disk.fake.ts'
import { SimulatedHost } from './host.fake.ts'
import { StoreLocked } from './store.ts'
import { DATA, openStoreOn, startStoreOn } from './testing/open-store.ts'
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

/** A store that has saved twice, so that the main file, the backup, the journal and the lock exist. */
async function begin(disk = new SimulatedDisk(), host = new SimulatedHost()) {
  const process = host.process()
  const { store, log, users, put } = await startStoreOn(disk, { host: process })
  put(online('before'))
  await store.save()
  await store.save()
  put(online('in the journal'))
  await store.flush()
  log.infos.length = 0
  return { disk, host, process, store, log, users, put }
}

const newestSegment = (disk: SimulatedDisk) => {
  const [name] = [...disk.files().keys()]
    .filter(name => name.includes('journal'))
    .sort()
    .slice(-1)
  return `${DATA}/${name}`
}

/** Kills the process and reads the files in another one. */
async function afterKill(disk: SimulatedDisk) {
  const { store, log } = openStoreOn(disk.kill())
  return { users: await loadFrom(store), errors: log.errors }
}

describe('files that are removed while the server runs', () => {
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
    '[Z2] %s: noticed within 2 s without any change, saved again within 5 s, each with one log line',
    async ([, act]) => {
      const { disk, store, log, users, put } = await begin()
      await act(disk)
      let noticed = 0
      for (; store.health().state === 'ok' && log.errors.length === 0 && noticed < 5_000; noticed += 20)
        await elapse(20)
      expect(noticed).toBeLessThanOrEqual(2_000)
      put(offline('changed meanwhile'))
      await elapse(5_000)
      expect(store.health()).toEqual({ state: 'ok' })
      expect(log.errors.filter(text => text.includes('cannot save the state'))).toEqual([
        expect.stringMatching(/was (removed|replaced) while the server was using it/),
      ])
      expect(log.infos).toEqual([expect.stringContaining('the state is saved again')])
      put(offline('after'))
      await store.flush()
      expect(disk.files().get('lock')).toBeDefined()
      const { users: left, errors } = await afterKill(disk)
      expect(left).toEqual(users)
      expect(errors).toEqual([])
    },
  )

  test('[Z2] a batch is not acknowledged when its segment was removed', async () => {
    const { disk, store, put, users } = await begin()
    disk.removeTree(DATA)
    put(offline('lost?'))
    await expect(store.flush()).rejects.toThrow('was removed')
    await elapse(3_000)
    await store.flush()
    expect((await afterKill(disk)).users).toEqual(users)
  })

  test('[Z2] a stop right after the removal of the directory saves everything', async () => {
    const { disk, store, put, users } = await begin()
    disk.removeTree(DATA)
    put(offline('last'))
    await store.save()
    await store.close()
    expect((await afterKill(disk)).users).toEqual(users)
  })

  test('[Z2] if the parent directory was removed as well, the server saves when it is back', async () => {
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

  test('[Z2] a volume that was unmounted and is mounted again, with our own files on it', async () => {
    const { disk, store, put, users } = await begin()
    disk.moveTree(DATA, '/unmounted')
    await elapse(5_000)
    put(offline('while away'))
    await store.flush()
    disk.removeTree(DATA)
    disk.moveTree('/unmounted', DATA)
    await elapse(5_000)
    expect(store.health()).toEqual({ state: 'ok' })
    put(offline('after'))
    await store.flush()
    const { users: left, errors } = await afterKill(disk)
    expect(left).toEqual(users)
    expect(errors).toEqual([])
  })

  test('[Z2] a file that replaces the state file is moved aside', async () => {
    const { disk } = await begin()
    const imported = '{"someone else":{"status":"offline","lastSeen":1}}'
    disk.put(MAIN, imported)
    await elapse(5_000)
    const kept = [...disk.files()].find(([name]) => name.startsWith('user_state.json.replaced-'))
    expect(kept?.[1].toString()).toBe(imported)
  })

  test('[Z2] killed before it could save again: the next start succeeds and reports the loss', async () => {
    const { disk, store, put } = await begin()
    disk.removeTree(DATA)
    disk.fault = ({ name, path }) =>
      name === 'create' && path.includes('user_state.json') ? 'ENOSPC' : undefined
    await elapse(5_000)
    expect(store.health().state).toBe('failing')
    put(offline('after'))
    await store.flush().catch(() => {})
    disk.fault = () => undefined
    const { users, errors } = await afterKill(disk)
    expect([...users.keys()]).toEqual(['after'])
    expect(errors.join('\n')).toContain('the files were removed while the server was running')
  })

  test('control: an undisturbed store logs nothing', async () => {
    const { store, log } = await begin()
    await elapse(30_000)
    expect(store.health()).toEqual({ state: 'ok' })
    expect([log.errors, log.infos]).toEqual([[], []])
  })
})

describe('another process takes the directory', () => {
  const filesOf = (disk: SimulatedDisk) =>
    new Map([...disk.files()].filter(([name]) => !name.startsWith('lock')))

  const startOther = async (disk: SimulatedDisk, host: SimulatedHost) => {
    const process = host.process()
    const { store } = openStoreOn(disk, { host: process })
    const users = await loadFrom(store)
    await store.start(() => users.values())
    users.set('other', offline('other'))
    store.put(offline('other'))
    await store.save()
    return { store, process }
  }

  const expectNoMoreWrites = async ({ disk, store, log, put }: Awaited<ReturnType<typeof begin>>) => {
    put(offline('mine'))
    await elapse(5_000)
    const files = filesOf(disk)
    put(offline('mine too'))
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

  test('[Z3] the lock was removed and another process started: this one stops writing and reports it', async () => {
    const left = await begin()
    await left.disk.remove(`${DATA}/lock`)
    await startOther(left.disk, left.host)
    await expectNoMoreWrites(left)
  })

  test('[Z3] the directory was removed and another process started in it', async () => {
    const left = await begin()
    left.disk.removeTree(DATA)
    await startOther(left.disk, left.host)
    await expectNoMoreWrites(left)
  })

  test.for(['stopped', 'crashed'] as const)(
    '[Z3] the lock was removed, and another process started and has %s since',
    async end => {
      const left = await begin()
      await left.disk.remove(`${DATA}/lock`)
      const { store, process } = await startOther(left.disk, left.host)
      if (end === 'stopped') await store.close()
      process.kill()
      await expectNoMoreWrites(left)
    },
  )

  test('[Z3] the directory was removed, and another process started in a new one and has stopped since', async () => {
    const left = await begin()
    left.disk.removeTree(DATA)
    const { store, process } = await startOther(left.disk, left.host)
    await store.close()
    process.kill()
    await expectNoMoreWrites(left)
  })

  test('[Z3] a volume with an earlier state is mounted after the start: the error names this cause, and a restart uses the volume', async () => {
    const volume = new SimulatedDisk()
    const earlier = await startStoreOn(volume)
    earlier.put(offline('on the volume'))
    await earlier.store.save()
    await earlier.store.close()

    const { disk, store, log, put } = await begin()
    disk.moveTree(DATA, '/hidden by the mount')
    for (const [name, content] of volume.files()) disk.put(`${DATA}/${name}`, content)
    put(offline('mine'))
    await elapse(5_000)
    const [error = ''] = log.errors.filter(text => text.includes('stop one of the two'))
    expect(error).toContain(`${DATA} has a state that this server did not write`)
    expect(error).toContain('If a second server uses this directory, stop one of the two')
    expect(error).toContain('If a volume was mounted there after this server started, restart it')
    for (const [name, content] of volume.files()) expect(disk.files().get(name)).toEqual(content)
    await store.close()

    const restarted = openStoreOn(disk.kill())
    expect(await loadFrom(restarted.store)).toEqual(earlier.users)
    expect(restarted.log.errors).toEqual([])
  })

  test('[Z3] a save in progress is not published', async () => {
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

  test('control: a stale lock is taken over', async () => {
    const { disk, store, users } = await begin()
    disk.put(`${DATA}/lock`, `${JSON.stringify({ pid: 1, started: 'dead', id: 'other' })}\n`)
    await elapse(5_000)
    expect(store.health()).toEqual({ state: 'ok' })
    expect((await afterKill(disk)).users).toEqual(users)
  })
})
