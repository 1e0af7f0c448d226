import { crc32 } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { SimulatedDisk } from './disk.fake.ts'
import { StoreDamaged } from './store.ts'
import { diskWith, NOW, openStoreOn } from './testing/open-store.ts'
import { byId, HOSTILE_NAMES, loadFrom, offline, online } from './testing/sample-records.ts'

const MAIN = 'user_state.json'
const BACKUP = 'user_state_backup.json'

async function read(files: Parameters<typeof diskWith>[0]) {
  const disk = diskWith(files)
  const { store, log } = openStoreOn(disk)
  const users = await loadFrom(store)
  await store.close()
  return { users, log, disk }
}

/** The files of a process that stored three users, saved twice and stopped cleanly. */
async function someFiles() {
  const disk = new SimulatedDisk()
  const { store } = openStoreOn(disk)
  const users = byId(offline('a', 1), online('b', 2, 'Bea'), offline('c', 3))
  await store.load()
  await store.start(
    () => users.values(),
    () => 4,
  )
  for (const record of users.values()) store.put(record)
  await store.save()
  await store.save()
  await store.close()
  return { files: Object.fromEntries(disk.files()), users }
}

describe('the state file', () => {
  test('is JSON with one user per line and a checksum', async () => {
    const { files } = await someFiles()
    const { stateId } = JSON.parse(files[MAIN]?.toString() ?? '')
    expect(stateId).toMatch(/^[-0-9a-f]{36}$/)
    expect(files[MAIN]?.toString()).toBe(
      [
        '{',
        '"format": "who-is-online/1",',
        '"savedAt": "2030-01-01T00:00:00.000Z",',
        '"knownTime": "1970-01-01T00:00:00.004Z",',
        `"stateId": "${stateId}",`,
        '"journal": 3,',
        '"users": [',
        '{"userId":"a","status":"offline","lastSeen":"1970-01-01T00:00:00.001Z"},',
        '{"userId":"b","status":"online","lastSeen":"1970-01-01T00:00:00.002Z","username":"Bea"},',
        '{"userId":"c","status":"offline","lastSeen":"1970-01-01T00:00:00.003Z"}',
        '],',
        `"checksum": "crc32:${crc32(files[MAIN]?.subarray(0, files[MAIN].indexOf('"checksum"')) ?? '')
          .toString(16)
          .padStart(8, '0')}"`,
        '}',
        '',
      ].join('\n'),
    )
    expect(JSON.parse(files[MAIN]?.toString() ?? '').users).toHaveLength(3)
  })

  test('if edited: accepted without a checksum, with a log line; refused with it, with an error that says how to accept it', async () => {
    const { files, users } = await someFiles()
    const edited = files[MAIN]?.toString().replace('"Bea"', '"Beatrix"') ?? ''
    const unsealed = edited.replace(/,\n"checksum".*/, '')
    const { users: read1, log } = await read({ ...files, [MAIN]: unsealed })
    expect(read1).toEqual(new Map(users).set('b', online('b', 2, 'Beatrix')))
    expect(log.errors).toEqual([])
    expect(log.infos.join('\n')).toContain('no checksum')

    const sealed = await read({ ...files, [MAIN]: edited })
    expect(sealed.users).toEqual(users)
    expect(sealed.log.errors).toHaveLength(1)
    expect(sealed.log.errors[0]).toContain('delete the line "checksum"')
    expect(sealed.disk.files().get(`${MAIN}.damaged-20300101T000000000Z`)?.toString()).toBe(edited)

    const reformatted = JSON.stringify(JSON.parse(files[MAIN]?.toString() ?? ''), undefined, 4)
    expect((await read({ ...files, [MAIN]: reformatted })).log.errors[0]).toContain(
      'delete the line "checksum"',
    )
  })

  test.for([
    ['{"userId":"a","status":"dancing","lastSeen":1}', 'row 2: "status" must be'],
    ['{"userId":"","status":"online","lastSeen":1}', 'row 2: "userId" must be'],
    ['{"userId":"a\\nb","status":"online","lastSeen":1}', 'row 2: "userId" must be'],
    ['{"userId":"\\ud800","status":"online","lastSeen":1}', 'row 2: "userId" must be'],
    ['{"userId":"a","status":"online","lastSeen":"yesterday"}', 'row 2: "lastSeen" must be'],
    ['{"userId":"a","status":"online","lastSeen":"2026-13-01T00:00:00Z"}', 'row 2: "lastSeen" must be'],
    ['{"userId":"a","status":"online","lastSeen":1,"username":7}', 'row 2: "username" must be'],
    ['{"userId":"a","status":"online","lastSeen":1,"hidden":true}', 'row 2: "hidden" needs'],
    ['{"userId":"a","status":"offline","lastSeen":1,"held":true}', 'row 2: "held" needs'],
    ['{"userId":"a","status":"online","lastSeen":1,"idle":"yes"}', 'row 2: "idle" must be'],
    ['{"userId":"a","status":"offline","lastSeen":1,"idle":true}', 'row 2: "idle" is only valid for'],
    ['{"userId":"a","status":"online","lastSeen":1,"choice":"busy"}', 'row 2: "choice" is only valid for'],
    ['{"userId":"a","status":"online","lastSeen":1,"text":7}', 'row 2: "text" must be'],
    ['{"userId":"a","status":"online","lastSeen":1,"text":"a\\nb"}', 'row 2: "text" must be'],
    [`{"userId":"a","status":"online","lastSeen":1,"text":"${'x'.repeat(129)}"}`, 'row 2: "text" must be'],
    ['{"userId":"a","status":"busy","lastSeen":1,"expiresAt":"noon"}', 'row 2: "expiresAt" must be'],
    ['{"userId":"a","status":"busy","lastSeen":1,"expiresAt":1e99}', 'row 2: "expiresAt" must be'],
    ['{"userId":"a","status":"busy","lastSeen":1,"chosenAt":"noon"}', 'row 2: "chosenAt" must be'],
    ['{"userId":"a","status":"busy","lastSeen":1,"inactive":1}', 'row 2: "inactive" must be'],
    ['{"userId":"a","status":"offline","lastSeen":1,"inactive":true}', 'row 2: "inactive" is only valid for'],
    ['{"userId":"a","status":"offline","lastSeen":1,"keptHidden":"x"}', 'row 2: "keptHidden" must be'],
    [
      '{"userId":"a","status":"busy","lastSeen":1,"keptHidden":true}',
      'row 2: "keptHidden" is only valid for',
    ],
    [
      '{"userId":"a","status":"offline","lastSeen":1,"hidden":true,"keptHidden":true}',
      '"keptHidden" is only valid for',
    ],
    ['{"userId":"a","status":"offline","lastSeen":1,"aheadMs":0}', 'row 2: "aheadMs" must be'],
    ['{"userId":"a","status":"offline","lastSeen":1,"aheadMs":"1"}', 'row 2: "aheadMs" must be'],
    ['{"userId":"a","status":"offline","lastSeen":1,"unseen":1}', 'row 2: "unseen" must be'],
    ['{"userId":"a","status":"busy","lastSeen":1,"unseen":true}', 'row 2: "unseen" needs "status" to be'],
    ['{"userId":"ok","status":"online","lastSeen":1}', 'row 2: "userId" "ok" occurs twice'],
    ['["a"]', 'row 2: must be an object'],
    ['null', 'row 2: must be an object'],
  ])('an error names the row and the invalid field: %s', async ([row, message]) => {
    const file = `{"format":"who-is-online/1","journal":1,"users":[{"userId":"ok","status":"online","lastSeen":1},${row}]}`
    const reading = read({ [MAIN]: file })
    await expect(reading).rejects.toThrow(StoreDamaged)
    await expect(reading).rejects.toThrow(message)
  })

  test.for([
    ['an empty file', '', 'is empty'],
    ['half a file', '{"format":"who-is-online/1","users":[', 'not JSON'],
    ['a list', '[]', 'must be a JSON object'],
    ['bytes that are not UTF-8', Buffer.from('{"\xff":{"status":"online"}}', 'latin1'), 'not JSON'],
    [
      'an unknown key',
      '{"format":"who-is-online/1","users":[],"checksun":"crc32:00000000"}',
      'unknown key "checksun"',
    ],
    ['no list of users', '{"format":"who-is-online/1","users":{}}', '"users" must be a list'],
    [
      'an invalid known time',
      '{"format":"who-is-online/1","knownTime":"noon","users":[]}',
      '"knownTime" must be',
    ],
    ['an invalid state id', '{"format":"who-is-online/1","stateId":7,"users":[]}', '"stateId" must be'],
    [
      'an invalid journal number',
      '{"format":"who-is-online/1","journal":"1","users":[]}',
      '"journal" must be',
    ],
  ] as const)('is not usable: %s', async ([, content, message]) => {
    const files = { [MAIN]: content }
    const disk = diskWith(files)
    const loading = openStoreOn(disk).store.load()
    await expect(loading).rejects.toThrow(StoreDamaged)
    await expect(loading).rejects.toThrow(message)
    await expect(loading).rejects.toThrow('Nothing was changed')
    expect(disk.files()).toEqual(new Map([[MAIN, Buffer.from(content)]]))
  })

  test('[Z6] a time in the future stays as it was stored, because this clock may be wrong', async () => {
    const { users, disk } = await read({ [MAIN]: `{"a":{"status":"offline","lastSeen":${NOW + 5_000}}}` })
    expect(users).toEqual(byId(offline('a', NOW + 5_000)))
    const { store } = openStoreOn(disk, { now: () => 0 })
    const kept = await loadFrom(store)
    await store.start(() => kept.values())
    await store.save()
    await store.close()
    expect(await loadFrom(openStoreOn(disk).store)).toEqual(byId(offline('a', NOW + 5_000)))
  })
})

describe('the plain form', () => {
  test('is read: one key per user; times as text, as number or missing; names of any kind', async () => {
    const plain = `{
      "1": {"userId":"1","status":"online","lastSeen":"2026-01-02T03:04:05.678Z","username":"ann"},
      "2": {"userId":"2","status":"offline","lastSeen":"2026-01-02T04:04:05+01:00"},
      "3": {"userId":"3","status":"offline","lastSeen":1234,"username":null},
      "4": {"userId":"4","status":"online","lastSeen":null},
      "5": {"status":"offline"}
    }`
    const { users, log } = await read({ [MAIN]: plain })
    const time = Date.UTC(2026, 0, 2, 3, 4, 5)
    expect(users).toEqual(
      byId(
        online('1', time + 678, 'ann'),
        offline('2', time),
        offline('3', 1234),
        online('4', 0),
        offline('5', 0),
      ),
    )
    expect(log.errors).toEqual([])
    expect(log.infos[0]).toContain('no checksum')
  })

  test('is read with hostile names', async () => {
    const rows = HOSTILE_NAMES.map(
      userId => `${JSON.stringify(userId)}: ${JSON.stringify({ userId, status: 'offline', lastSeen: 1000 })}`,
    )
    expect((await read({ [MAIN]: `{${rows}}` })).users).toEqual(
      byId(...HOSTILE_NAMES.map(name => offline(name))),
    )
  })

  test('is refused if key and id differ', async () => {
    await expect(read({ [MAIN]: '{"a":{"userId":"b","status":"online"}}' })).rejects.toThrow(
      'user "a": "userId" must be the same',
    )
  })

  test('may contain no users', async () => {
    expect((await read({ [MAIN]: '{}' })).users).toEqual(new Map())
  })

  test('[I8] records stored after it survive a crash, even if the first snapshot is lost', async () => {
    const disk = diskWith({ [MAIN]: '{"a":{"status":"offline","lastSeen":1}}' })
    const first = openStoreOn(disk).store
    const users = await loadFrom(first)
    await first.start(() => users.values())
    users.set('b', offline('b', 2))
    first.put(offline('b', 2))
    await first.flush()
    const killed = disk.kill()
    const second = openStoreOn(killed)
    expect(await loadFrom(second.store)).toEqual(byId(offline('a', 1), offline('b', 2)))
    await second.store.start(() => users.values())
    await second.store.save()
    users.set('c', offline('c', 3))
    second.store.put(offline('c', 3))
    await second.store.close()

    const damaged = killed.kill()
    damaged.put(`/data/${MAIN}`, 'x')
    const third = openStoreOn(damaged)
    expect(await loadFrom(third.store)).toEqual(users)
    expect(third.log.errors).toHaveLength(1)
  })

  test('that replaces another state is not combined with it', async () => {
    const { files } = await someFiles()
    const { users, log } = await read({ ...files, [MAIN]: '{"new":{"status":"offline","lastSeen":1}}' })
    expect(users).toEqual(byId(offline('new', 1)))
    expect(log.errors).toEqual([])
  })
})

describe('missing files', () => {
  test('[I8] the main file: the backup and the journal are used, with an error in the log', async () => {
    const { files, users } = await someFiles()
    const { [MAIN]: _, ...rest } = files
    const found = await read(rest)
    expect(found.users).toEqual(users)
    expect(found.log.errors).toEqual([expect.stringContaining('user_state.json is missing')])
  })

  test('[I8] main file and backup, with a journal that does not go back to the beginning: refused', async () => {
    const { files } = await someFiles()
    const { [MAIN]: _, [BACKUP]: __, ...rest } = files
    await expect(read(rest)).rejects.toThrow('does not go back to the beginning')
  })

  test('[I8] a segment: reported', async () => {
    const { files, users } = await someFiles()
    const { 'user_state_journal.000003.log': _, ...rest } = files
    const found = await read(rest)
    expect(found.users).toEqual(users)
    expect(found.log.errors).toEqual([expect.stringContaining('segment 3 is missing')])
  })

  test('only a file that was moved aside is left: refused', async () => {
    await expect(read({ 'user_state.json.damaged-20300101T000000000Z': 'x' })).rejects.toThrow(StoreDamaged)
  })

  test('a temporary file does not count as state', async () => {
    const { users, disk } = await read({ 'user_state.json.tmp': 'half' })
    expect(users).toEqual(new Map())
    expect([...disk.files().keys()]).toEqual(['user_state.json.tmp'])
  })
})
