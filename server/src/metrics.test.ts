import { expect, test } from 'vitest'
import { newFeed } from './changes/testing/new-feed.ts'
import { Durations } from './durations.ts'
import { Traffic } from './fanout/traffic.ts'
import { CallCounts } from './http/api/call-counts.ts'
import { Metrics } from './metrics.ts'
import { Presence } from './presence/presence.ts'
import { AT_ONCE } from './presence/testing/options.ts'
import { Refusals } from './refusals.ts'
import { newTracker } from './testing/new-tracker.ts'

function newWorld({ isReady = true } = {}) {
  const presence = new Presence(AT_ONCE)
  const feed = newFeed()
  let now = 1
  const tracker = newTracker({ presence, feed, clock: { now: () => ++now } })
  const traffic = new Traffic()
  const times = { journal: new Durations(), save: new Durations() }
  const backlog = { connections: 2, bytes: 700 }
  let steady = 0
  const metrics = new Metrics({
    feed,
    presence,
    gateway: { connections: 3, subscriptionCount: 5, backlog, traffic },
    store: { health: () => ({ state: 'late', since: 0 }), times },
    isReady: () => isReady,
    droppedLines: undefined,
    refusals: new Refusals(),
    clock: { steady: () => steady },
  })
  /** The lines of the text that begin so. */
  const lines = async (begin: string) => {
    // A new text each time: many requests at the same time share one.
    steady += 1_000
    return (await metrics.text()).split('\n').filter(line => line.startsWith(begin))
  }
  const open = (userId: string) => void tracker.open({ userId, sessionId: 's', isNamed: true }, {})
  return { presence, tracker, traffic, times, metrics, lines, open }
}

test('[T10] changes are counted by their cause', async () => {
  const { tracker, lines, open } = newWorld()
  expect(await lines('wio_changes_total')).toHaveLength(10)
  open('ann')
  open('bob')
  tracker.setStatus(
    { userId: 'ann', sessionId: 's' },
    { status: 'busy', text: undefined, expiresAt: undefined },
  )
  tracker.leave({ userId: 'bob', sessionId: 's' })
  void tracker.endSessions('ann')
  const counted = (await lines('wio_changes_total')).filter(line => !line.endsWith(' 0'))
  expect(counted).toEqual([
    'wio_changes_total{cause="opened"} 2',
    'wio_changes_total{cause="left"} 1',
    'wio_changes_total{cause="kicked"} 1',
    'wio_changes_total{cause="chosen"} 1',
  ])
})

test('[T10] users are counted by what others see of them', async () => {
  const { tracker, lines, open } = newWorld()
  for (const userId of ['ann', 'bob', 'cid', 'dan', 'eve']) open(userId)
  const choose = (userId: string, status: 'busy' | 'offline') =>
    void tracker.setStatus({ userId, sessionId: 's' }, { status, text: undefined, expiresAt: undefined })
  choose('ann', 'busy')
  choose('bob', 'offline')
  tracker.setActivity({ userId: 'cid', sessionId: 's' }, 'idle')
  tracker.leave({ userId: 'dan', sessionId: 's' })
  const counted = () => lines('wio_users{')
  expect(await counted()).toEqual([
    'wio_users{presence="online"} 1',
    'wio_users{presence="away"} 1',
    'wio_users{presence="busy"} 1',
    'wio_users{presence="offline"} 2',
  ])
  void tracker.endSessions('ann')
  expect(await counted()).toContain('wio_users{presence="busy"} 0')
  expect(await lines('wio_users_online')).toEqual(['wio_users_online 2'])
})

test('leased sessions are counted while they last', async () => {
  const { tracker, lines } = newWorld()
  tracker.lease({ userId: 'bot', sessionId: 'a' }, { ttlMs: 5_000 })
  tracker.lease({ userId: 'bot', sessionId: 'b' }, { ttlMs: 5_000 })
  expect(await lines('wio_leases')).toEqual(['wio_leases 2'])
  void tracker.endSession({ userId: 'bot', sessionId: 'a' })
  expect(await lines('wio_leases')).toEqual(['wio_leases 1'])
})

test('what connections are sent, and how long that and the disk take', async () => {
  const { traffic, times, lines } = newWorld()
  traffic.deliveries.v2 += 4
  traffic.wrote(100)
  traffic.wrote(20)
  traffic.windows.add(3)
  times.journal.add(40)
  expect(await lines('wio_deliveries_total')).toEqual([
    'wio_deliveries_total{version="v1"} 0',
    'wio_deliveries_total{version="v2"} 4',
  ])
  expect(await lines('wio_writ')).toEqual(['wio_writes_total 2', 'wio_written_bytes_total 120'])
  expect(await lines('wio_backlog')).toEqual(['wio_backlog_bytes 700'])
  expect(await lines('wio_connections')).toEqual(['wio_connections 3', 'wio_connections_behind 2'])
  const windows = await lines('wio_window_seconds')
  expect(windows).toContain('wio_window_seconds_bucket{le="0.002"} 0')
  expect(windows).toContain('wio_window_seconds_bucket{le="0.005"} 1')
  expect(windows.slice(-3)).toEqual([
    'wio_window_seconds_bucket{le="+Inf"} 1',
    'wio_window_seconds_sum 0.003',
    'wio_window_seconds_count 1',
  ])
  expect(await lines('# TYPE wio_window_seconds')).toEqual(['# TYPE wio_window_seconds histogram'])
  expect(await lines('wio_storage_journal_seconds_sum')).toEqual(['wio_storage_journal_seconds_sum 0.04'])
  expect(await lines('wio_storage_save_seconds_count')).toEqual(['wio_storage_save_seconds_count 0'])
  expect(await lines('wio_storage_late')).toEqual(['wio_storage_late 1'])
})

test.each([true, false])('readiness is that of /readyz: %s', async isReady => {
  const { lines } = newWorld({ isReady })
  expect(await lines('wio_ready')).toEqual([`wio_ready ${isReady ? 1 : 0}`])
})

test('[T10] requests of the API are counted by call and class of status, and the open ones by call', async () => {
  const { metrics, lines } = newWorld()
  const counts = new CallCounts()
  metrics.addApi(counts)
  const ended = counts.begin('streamChanges')
  counts.begin('getUser')(200)
  counts.begin('getUser')(404)
  counts.begin(undefined)(404)
  counts.begin('getCount')(503)
  expect(await lines('wio_api_requests_open{call="streamChanges"')).toEqual([
    'wio_api_requests_open{call="streamChanges"} 1',
  ])
  ended(200)
  const answered = (await lines('wio_api_requests_total')).filter(line => !line.endsWith(' 0'))
  expect(answered.toSorted()).toEqual([
    'wio_api_requests_total{call="getCount",status="5xx"} 1',
    'wio_api_requests_total{call="getUser",status="2xx"} 1',
    'wio_api_requests_total{call="getUser",status="4xx"} 1',
    'wio_api_requests_total{call="other",status="4xx"} 1',
    'wio_api_requests_total{call="streamChanges",status="2xx"} 1',
  ])
  expect((await lines('wio_api_requests_open')).filter(line => !line.endsWith(' 0'))).toEqual([])
})
