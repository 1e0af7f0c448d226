import fc from 'fast-check'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { MemoryFeed } from '../changes/memory-feed.ts'
import { textOf } from '../changes/page.ts'
import { ChangeReader } from '../changes/reader.ts'
import { linesOf } from '../changes/testing/copy.ts'
import { newFeed } from '../changes/testing/new-feed.ts'
import { Presence } from '../presence/presence.ts'
import { AT_ONCE } from '../presence/testing/options.ts'
import { newTracker } from '../testing/new-tracker.ts'
import type { Tracker } from '../tracker.ts'
import { decodePlace, encodePlace } from './batch.ts'
import type { PlaceStore } from './places.ts'
import { secretIn } from './signature.ts'
import { type Behaviour, Receiver, SECRET } from './testing/receiver.ts'
import { Webhooks } from './webhooks.ts'

// Webhooks in one process with real requests. Time is simulated: it runs while the test waits.

const T = Date.UTC(2030, 0, 1)
const RECENT = 500
/** How much time passes in each millisecond in which a test waits. */
const STEP_MS = 100

let presence: Presence
let feed: MemoryFeed
let reader: ChangeReader
let tracker: Tracker
let receiver: Receiver
let now: number
let webhooks: Webhooks | undefined
let lines: string[]
/** The files of the places, by URL. */
let files: Map<string, string>

const sleep = setTimeout

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  now = 0
  lines = []
  files = new Map()
  presence = new Presence(AT_ONCE)
  feed = newFeed(RECENT)
  reader = new ChangeReader(presence, feed)
  tracker = newTracker({ presence, feed, clock: { now: () => T + now } })
  receiver = new Receiver()
  await receiver.start()
})

afterEach(async () => {
  await webhooks?.stop()
  vi.useRealTimers()
  reader.close()
  await receiver.stop()
})

/** Keeps the places in `files`. Two saves at once would leave it open which place is the newest. */
const places: PlaceStore = {
  load: async url => decodePlace(files.get(url) ?? ''),
  async save(url, place) {
    if (saving.has(url)) receiver.wrong.push('two saves at once')
    saving.add(url)
    await new Promise(resolve => sleep(resolve, 3))
    saving.delete(url)
    files.set(url, encodePlace(place))
  },
}
const saving = new Set<string>()

function start(more: { urls?: readonly string[]; places?: PlaceStore } = {}): Webhooks {
  const log = (text: string, fields: object = {}) => void lines.push(`${text} ${JSON.stringify(fields)}`)
  webhooks = new Webhooks({
    urls: [receiver.url],
    secrets: [secretIn(SECRET) as Buffer],
    reader,
    feed,
    places,
    clock: { steady: () => now, now: () => T + now },
    log: { info: log, error: log },
    version: '0',
    ...more,
  })
  webhooks.start()
  return webhooks
}

/** Lets time pass until a condition holds. */
async function until(isTrue: () => boolean, what = isTrue.toString()): Promise<void> {
  for (let turn = 0; !isTrue(); turn++) {
    if (turn > 4_000) throw new Error(`in vain: ${what}; ${lines.join('\n')}`)
    await new Promise(resolve => sleep(resolve, 1))
    pass(STEP_MS)
  }
}

function pass(ms: number): void {
  now += ms
  vi.advanceTimersByTime(ms)
}

const open = (userId: string) => tracker.open({ userId, sessionId: 'tab', isNamed: false }, {})
const leave = (userId: string) => tracker.leave({ userId, sessionId: 'tab' })
const isComplete = () =>
  receiver.copy.place !== undefined && textOf(receiver.copy.place) === textOf(reader.place)
const shown = () => linesOf(presence.list(10_000))

test('[M2] a new endpoint gets the full state in pages, and then the changes', async () => {
  for (let user = 0; user < 1_250; user++) void open(`user ${user}`)
  start()
  await until(isComplete)
  expect([receiver.requests, receiver.copy.states]).toEqual([3, 1])
  expect(webhooks?.states.get(nameOf(receiver))).toEqual({ first: 1, again: 0 })
  leave('user 7')
  await until(isComplete)
  expect(receiver.requests).toBe(4)
  expect([...receiver.messages.values()].at(-1)).toMatch(
    /^\{"epoch":"e","prevSeq":1250,"seq":1251,"recovered":true,"changes":\[\{"epoch":"e","seq":1251,.*\}\]\}$/,
  )
  expect(receiver.copy.users).toEqual(shown())
  expect(receiver.wrong).toEqual([])
})

const STATUSES = ['online', 'busy', 'offline'] as const
const BEHAVIOURS = ['fail', 'hang', 'close', 'redirect', 'lost', 'late'] as const

/** Random changes while the endpoint treats requests at random and is gone at times. Ends when all is delivered. */
async function play(seed: number, toTaken: (behaviour: Behaviour) => Behaviour): Promise<void> {
  const acts = fc.sample(
    fc.record({
      user: fc.integer({ min: 0, max: 20 }),
      act: fc.integer({ min: 0, max: 4 }),
      behaviour: fc.option(fc.constantFrom(...BEHAVIOURS), { freq: 2, nil: 'take' as const }),
    }),
    { seed, numRuns: 400 },
  )
  for (const [index, { user, act, behaviour }] of acts.entries()) {
    const userId = `user ${user}`
    if (act < 2) void open(userId)
    else if (act === 2) leave(userId)
    else tracker.setStatus({ userId, sessionId: 'tab' }, { status: STATUSES[index % 3] as 'busy' })
    if (index % 20 !== 0) continue
    receiver.behaviours.push(toTaken(behaviour))
    if (index === 100) await receiver.stop()
    if (index === 200) await receiver.start()
    const { requests } = receiver
    const later = now + 2_000
    await until(() => receiver.requests > requests || now > later)
  }
  receiver.behaviours.length = 0
  // A change of this moment has the age 0.
  const later = now + 1
  await until(() => now > later && webhooks?.unsentMs().get(nameOf(receiver)) === 0)
}

const nameOf = ({ url }: Receiver) => new URL(url).origin

test.each([1, 2, 3])(
  '[M1 M3] an endpoint that fails, hangs, closes, redirects and is gone gets each change once, in order (%i)',
  async seed => {
    start()
    await until(isComplete)
    await play(seed, behaviour => behaviour)
    expect(receiver.wrong).toEqual([])
    expect(receiver.copy.users).toEqual(shown())
    expect(receiver.copy.states).toBe(1)
    // The ids of messages that were sent more than once were the same.
    expect(receiver.requests).toBeGreaterThan(receiver.messages.size)
    const counts = webhooks?.counts.get(nameOf(receiver))
    expect(counts).toMatchObject({ ok: receiver.messages.size })
    expect(lines.some(line => line.startsWith('a webhook endpoint works again'))).toBe(true)
    expect(lines.join()).not.toContain('secret')
  },
)

test('control: if failures counted as success, changes would be missing', async () => {
  start()
  await until(isComplete)
  await play(1, behaviour => (behaviour === 'take' ? 'take' : 'deaf'))
  expect(receiver.wrong.some(text => text.includes('follows'))).toBe(true)
})

test('[M3] after a kill, the batch in flight is repeated with its id and its content', async () => {
  start()
  await until(isComplete)
  void open('ann')
  void open('bob')
  receiver.behaviours.push('late')
  await until(() => receiver.messages.size === 2)
  const killed = webhooks
  // The place is what a kill leaves behind. What came after the batch must not be in it.
  void open('cid')
  await killed?.stop()
  const id = [...receiver.messages.keys()].at(-1)
  expect(decodePlace([...files.values()].join())).toEqual({
    since: { epoch: 'e', seq: 0 },
    batch: { id, seq: 2 },
  })
  start()
  await until(isComplete)
  expect([receiver.repeats, receiver.messages.size, receiver.copy.states]).toEqual([1, 3, 1])
  expect(receiver.wrong).toEqual([])
  expect(receiver.copy.users).toEqual(shown())
  // A restart without a batch in flight repeats nothing.
  await until(() => [...files.values()].join() === encodePlace({ since: reader.place }))
  await webhooks?.stop()
  // Numbers may be left out. The next batch follows the last one nevertheless.
  feed.reached(1_000)
  start()
  const later = now + 1_000
  await until(() => now > later)
  void open('dan')
  await until(isComplete)
  expect(receiver.wrong).toEqual([])
  expect([receiver.repeats, receiver.messages.size, receiver.copy.states]).toEqual([1, 4, 1])

  // Control: without the stored place, the message has another id, and the full state comes again.
  receiver.behaviours.push('late')
  void open('eve')
  await until(() => receiver.messages.size === 5)
  await webhooks?.stop()
  files.clear()
  start()
  await until(() => receiver.copy.states === 2)
  expect([receiver.repeats, receiver.messages.size]).toEqual([1, 6])
})

test('[M2] a place beyond the horizon and one of another epoch get the full state', async () => {
  void open('ann')
  start()
  await until(isComplete)
  await webhooks?.stop()
  for (let change = 0; change < RECENT; change++) (change % 2 === 0 ? open : leave)('bob')
  leave('ann')
  start()
  await until(isComplete)
  expect([receiver.copy.states, receiver.copy.users]).toEqual([2, shown()])
  await webhooks?.stop()
  for (const url of files.keys()) files.set(url, encodePlace({ since: { epoch: 'f', seq: 1 } }))
  start()
  await until(() => receiver.copy.states === 3)
})

/**
 * Whether an endpoint gets to the end of a full state while it answers slowly: in the time that it takes for a body,
 * there are so many changes.
 */
async function finishes(users: number, changesPerBody: number): Promise<boolean> {
  for (let user = 0; user < users; user++) void open(`user ${user}`)
  let changed = 0
  receiver.pause = () => {
    for (const end = changed + changesPerBody; changed < end; changed++)
      (changed % 2 ? leave : open)(`other ${Math.floor(changed / 2) % 50}`)
  }
  start()
  await until(() => receiver.copy.states > 0 || receiver.requests > 100)
  expect(receiver.wrong).toEqual([])
  return receiver.copy.states > 0
}

test('[M2] a slow endpoint gets to the end of a full state, although the log drops its place at first', async () => {
  // 1 s for a body at 45 changes a second. The log keeps 500 changes, and with 500 users in a body there are 13.
  expect(await finishes(6_500, 45)).toBe(true)
  expect(webhooks?.states.get(nameOf(receiver))).toEqual({ first: 1, again: 1 })
  expect(lines.filter(line => /begins again.*"usersPerPage":1000/.test(line))).toHaveLength(1)
  receiver.pause = () => {}
  await until(isComplete)
  expect(receiver.copy.users).toEqual(shown())
})

test('[M2] an endpoint that is too slow for the log never gets to the end, and the operator is told', async () => {
  // 9 s for a body at 60 changes a second.
  expect(await finishes(6_500, 540)).toBe(false)
  expect(webhooks?.states.get(nameOf(receiver))?.again).toBeGreaterThan(2)
  expect(lines.some(line => line.includes('begins again'))).toBe(true)
})

test('[M3] nothing is sent while the place can not be stored', async () => {
  let isFull = false
  const save: PlaceStore['save'] = async (url, place) => {
    if (isFull) throw new Error('ENOSPC: no space left on device')
    return places.save(url, place)
  }
  start({ places: { ...places, save } })
  await until(isComplete)
  isFull = true
  void open('ann')
  const { requests } = receiver
  await until(() => lines.length > 0)
  expect(lines).toEqual([expect.stringMatching(/^the place of a webhook endpoint .*ENOSPC/)])
  expect(receiver.requests).toBe(requests)
  expect(webhooks?.unsentMs().get(nameOf(receiver))).toBeGreaterThan(0)
  isFull = false
  await until(isComplete)
  expect(receiver.copy.users).toEqual(shown())
})

test('[M5] a test message changes nothing, and tells what each endpoint said', async () => {
  const gone = new Receiver()
  await gone.start()
  await gone.stop()
  const other = new Receiver()
  await other.start()
  start({ urls: [receiver.url, gone.url, other.url] })
  await until(() => isComplete() && other.copy.states === 1)
  other.behaviours.push('redirect')
  expect(await webhooks?.test()).toMatchObject([
    { url: nameOf(receiver), delivered: true, status: 204 },
    { url: nameOf(gone), delivered: false, error: expect.stringContaining('ECONNREFUSED') },
    { url: nameOf(other), delivered: false, status: 307, error: expect.stringContaining('redirects') },
  ])
  void open('ann')
  await until(isComplete)
  expect([receiver.wrong, receiver.copy.users]).toEqual([[], shown()])
  await other.stop()
})
