import { readFileSync } from 'node:fs'
import {
  MAX_MESSAGE_BYTES,
  MAX_NAME_BYTES,
  MAX_TEXT_CHARS,
  MAX_USER_IDS,
} from '@who-is-online/protocol/words'
import { expect, test } from 'vitest'
import { ANSWER_MS } from '../client/src/connection.ts'
import { IDS_PER_MESSAGE } from '../client/src/ids.ts'
import { CONNECT_MS, FIRST_WAIT_MS, MAX_WAIT_MS } from '../client/src/machine.ts'
import * as clientProtocol from '../client/src/protocol.ts'
import { FLUSH_MS, TOO_FAST_RETRY_MS } from '../client/src/subscriptions.ts'
import { capacityOf, DEFAULT_CONNECTIONS } from '../server/src/capacity.ts'
import { MAX_STATES } from '../server/src/fanout/subscriber.ts'
import { BACK_MS } from '../server/src/gateway/connection.ts'
import { AWAY_MS_PER_CLIENT } from '../server/src/gateway/gateway.ts'
import { MAX_URL_CHARS } from '../server/src/gateway/handshake.ts'
import { halfOf, handshakeRateOfAddress, TOO_FAST_PAUSE_MS } from '../server/src/gateway/limits.ts'
import { weightOfText } from '../server/src/gateway/throttle.ts'
import { readSettings } from '../server/src/settings.ts'

// Constants of the client and the server that must fit together. Each rule compares what is needed with what
// is available. The controls change one side and must break a rule.

/** The time from the TCP handshake to the welcome on a slow mobile network: five round trips of 400 ms. */
const HANDSHAKE_MS = 2_000

/** The number of clients behind one address, such as an office. */
const CLIENTS = 1_000

/** An open-file limit that reduces nothing. */
const MANY_FILES = 1_000_000

/** A browser runs the timers of a hidden tab once a minute. */
const HIDDEN_TIMER_MS = 60_000

/** When a vanished client must be offline (SPEC I1). */
const GONE_MS = 30_000

/**
 * Messages of a new connection besides its subscriptions: activity, visibility, status, text, name, all
 * users, count.
 */
const OTHER_MESSAGES = 10

/** The longest status with its times that the client adds to its URL. */
const CHOICE_BYTES = '&status=offline&expiresAt=&chosenAt='.length + 2 * '2035-01-01T00%3A00%3A00.000Z'.length

/** The longest wait in the example of docs/protocol-v2.md. */
const [, exampleLeastMs, exampleMoreMs] =
  /setTimeout\(connect, ([\d_]+) \+ ([\d_]+) \* Math\.random\(\)\)/.exec(
    readFileSync('docs/protocol-v2.md', 'utf8'),
  ) ?? []
const number = (text?: string): number => Number(text?.replaceAll('_', ''))

const NUMBERS = {
  // Constants of the client
  CONNECT_MS,
  FIRST_WAIT_MS,
  MAX_WAIT_MS,
  ANSWER_MS,
  TOO_FAST_RETRY_MS,
  FLUSH_MS,
  IDS_PER_MESSAGE,
  MAX_ID_BYTES: clientProtocol.MAX_NAME_BYTES,
  EXAMPLE_WAIT_MS: number(exampleLeastMs) + number(exampleMoreMs),
  // Constants of the server
  BACK_MS,
  MAX_STATES,
  TOO_FAST_PAUSE_MS,
  MAX_URL_CHARS,
  AWAY_MS_PER_CLIENT,
  // Settings of the server
  ...readSettings({ AUTH: 'open' }),
}
type Numbers = { readonly [Name in keyof typeof NUMBERS]: (typeof NUMBERS)[Name] }

/** In each rule, `needed` must not be more than `available`. */
const RULES: Readonly<Record<string, (numbers: Numbers) => readonly [needed: number, available: number]>> = {
  'an attempt that hangs when the server is back, the longest wait and a handshake fit into the restart grace':
    n => [n.CONNECT_MS + n.MAX_WAIT_MS + HANDSHAKE_MS, n.RESTART_GRACE_MS],
  'a client that received no close frame notices the stop and is back within the restart grace': n => [
    n.PING_MS + n.ANSWER_MS + n.FIRST_WAIT_MS + HANDSHAKE_MS,
    n.RESTART_GRACE_MS,
  ],
  'a stopping server asks no client to wait longer than the restart grace': n => [
    (n.MAX_CONNECTIONS ?? DEFAULT_CONNECTIONS) * n.AWAY_MS_PER_CLIENT + n.FIRST_WAIT_MS + HANDSHAKE_MS,
    n.RESTART_GRACE_MS,
  ],
  'a hidden tab is back within the grace of inactive sessions': n => [
    n.MAX_WAIT_MS + HIDDEN_TIMER_MS + HANDSHAKE_MS,
    n.INACTIVE_GRACE_MS,
  ],
  'clients of one address may all connect at the same moment': n => [CLIENTS, burstOfAddress(n)],
  'clients of one address may all be connected': n => [
    CLIENTS,
    Math.min(n.MAX_CONNECTIONS_PER_ADDRESS, halfOf(n.MAX_CONNECTIONS ?? DEFAULT_CONNECTIONS)),
  ],
  'the burst of one address is not reduced to half of the burst of all': n => [
    n.HANDSHAKES_BURST_PER_ADDRESS,
    burstOfAddress(n),
  ],
  'a lost connection, a refused attempt and a handshake fit into the grace': n => [
    3 * n.FIRST_WAIT_MS + HANDSHAKE_MS,
    n.OFFLINE_GRACE_MS,
  ],
  'a client that the server closed abnormally is back within the grace': n => [
    1.5 * n.BACK_MS + n.FIRST_WAIT_MS + HANDSHAKE_MS,
    n.OFFLINE_GRACE_MS,
  ],
  'the example in docs/protocol-v2.md is back within the grace': n => [
    n.EXAMPLE_WAIT_MS + HANDSHAKE_MS,
    n.OFFLINE_GRACE_MS,
  ],
  'the client gives up a dead connection before the server does and the grace is over': n => [
    n.PING_MS + n.ANSWER_MS + n.FIRST_WAIT_MS + HANDSHAKE_MS,
    0.9 * n.PING_MS + n.PONG_TIMEOUT_MS + n.OFFLINE_GRACE_MS,
  ],
  'a vanished client is offline in time': n => [
    1.1 * n.PING_MS + n.PONG_TIMEOUT_MS + n.OFFLINE_GRACE_MS,
    GONE_MS,
  ],
  'all subscriptions of a reconnect fit into the message burst': n => [
    reconnectWeight(n) + OTHER_MESSAGES,
    n.MESSAGES_BURST,
  ],
  'all replies of a reconnect fit into the buffer limit': n => [
    Math.ceil(n.MAX_WATCHED_USERS / n.IDS_PER_MESSAGE) + 1,
    n.MAX_STATES,
  ],
  'a scrolling list stays below the message rate': n => [
    (1_000 / n.FLUSH_MS) * 2 * listWeight(n.IDS_PER_MESSAGE / 5),
    n.MESSAGES_PER_SECOND,
  ],
  'a list of the longest ids fits into one message': n => [
    // An id of quotes has twice its length in JSON, plus two quotes and a comma; 200 bytes for the rest of
    // the message.
    n.IDS_PER_MESSAGE * (2 * n.MAX_ID_BYTES + 3) + 200,
    MAX_MESSAGE_BYTES,
  ],
  'a list has no more ids than a message allows': n => [n.IDS_PER_MESSAGE, MAX_USER_IDS],
  'the client accepts no longer ids than the server': n => [n.MAX_ID_BYTES, MAX_NAME_BYTES],
  'the client accepts all ids that the server accepts': n => [MAX_NAME_BYTES, n.MAX_ID_BYTES],
  'the pause after too_fast is long enough to reset the limit': n => [
    n.TOO_FAST_PAUSE_MS + 1,
    n.TOO_FAST_RETRY_MS,
  ],
  'the longest URL of the client is allowed': n => [
    // User id, name and session id with each byte percent-encoded, and 2 KiB for the URL of the application.
    3 * (3 * n.MAX_ID_BYTES + '&sessionId='.length) + CHOICE_BYTES + 2_048,
    n.MAX_URL_CHARS,
  ],
}

/** How many handshakes of one address are accepted at once. */
function burstOfAddress(numbers: Numbers): number {
  const { handshakes, handshakesPerAddress } = capacityOf(numbers, MANY_FILES).limits
  return handshakeRateOfAddress(handshakesPerAddress, handshakes).burst
}

/** A typical id: a UUID. */
const ID = '0b8a2c4e-6d1f-4c3a-9e5b-7f2d8a1c6e04'

/** How many messages a list of ids counts as. */
function listWeight(ids: number): number {
  return weightOfText(JSON.stringify({ type: 'subscribe', userIds: Array(ids).fill(ID), id: 1 }))
}

function reconnectWeight({ MAX_WATCHED_USERS, IDS_PER_MESSAGE }: Numbers): number {
  return Math.ceil(MAX_WATCHED_USERS / IDS_PER_MESSAGE) * listWeight(IDS_PER_MESSAGE)
}

test('[J14] status texts have the same limit on both sides', () => {
  expect(clientProtocol.MAX_TEXT_CHARS).toBe(MAX_TEXT_CHARS)
})

test.each(Object.entries(RULES))('[J14] %s', (_, rule) => {
  const [needed, available] = rule(NUMBERS)
  expect(needed).toBeLessThanOrEqual(available)
})

test.each<Partial<Record<keyof Numbers, number>>>([
  { CONNECT_MS: 20_000 },
  { FIRST_WAIT_MS: 4_000 },
  { MAX_WAIT_MS: 30_000 },
  { ANSWER_MS: 15_000 },
  { TOO_FAST_RETRY_MS: 1_000 },
  { FLUSH_MS: 50 },
  { IDS_PER_MESSAGE: 100 },
  { IDS_PER_MESSAGE: 1_000 },
  { MAX_ID_BYTES: 64 },
  { MAX_ID_BYTES: 256 },
  { EXAMPLE_WAIT_MS: 5_000 },
  { BACK_MS: 2_000 },
  { MAX_STATES: 20 },
  { TOO_FAST_PAUSE_MS: 2_000 },
  { MAX_URL_CHARS: 2_048 },
  { AWAY_MS_PER_CLIENT: 2 },
  { RESTART_GRACE_MS: 15_000 },
  { OFFLINE_GRACE_MS: 2_000 },
  { OFFLINE_GRACE_MS: 10_000 },
  { INACTIVE_GRACE_MS: 60_000 },
  { HANDSHAKES_BURST_PER_ADDRESS: 200 },
  { HANDSHAKES_PER_SECOND: 999 },
  { MAX_CONNECTIONS_PER_ADDRESS: 500 },
  { MAX_CONNECTIONS: 50_000 },
  { MAX_CONNECTIONS: 1_900 },
  { PING_MS: 25_000 },
  { PONG_TIMEOUT_MS: 5_000 },
  { MESSAGES_BURST: 100 },
  { MESSAGES_PER_SECOND: 5 },
  { MAX_WATCHED_USERS: 20_000 },
])('[J14] control: %j does not fit', change => {
  const changed = { ...NUMBERS, ...change } as Numbers
  const broken = Object.values(RULES).filter(rule => {
    const [needed, available] = rule(changed)
    return !(needed <= available)
  })
  expect(broken).not.toEqual([])
})
