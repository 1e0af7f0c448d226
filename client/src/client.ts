import { observePage } from './activity.ts'
import type { PresenceClient } from './api.ts'
import { type MyStatus, validChoice } from './choice.ts'
import { badToken } from './close-codes.ts'
import { createConnection } from './connection.ts'
import { credentialsProvider } from './credentials.ts'
import { errorFrom, PresenceError } from './errors.ts'
import { chunk, idOf, validUserId, validUserIds } from './ids.ts'
import { listeners } from './listeners.ts'
import type { ConnectionState } from './machine.ts'
import type { ClientOptions } from './options.ts'
import { ownStatus, type UrlChoice } from './own-status.ts'
import { pendingRequests } from './pending-requests.ts'
import { detectPlatform, type Platform } from './platform.ts'
import type { Users } from './protocol.ts'
import { readable } from './readable.ts'
import { isSame } from './same.ts'
import { ALL_USERS, createSubscriptions, ONLINE_COUNT, type Topic } from './subscriptions.ts'
import type { PresenceUser } from './user-view.ts'
import type { Message, Request } from './wire.ts'

/** Default of `idleAfterMs`: long enough to read a page. */
const IDLE_AFTER_MS = 5 * 60_000

/** Default of `timeoutMs`: an attempt to connect takes as long at most. */
const TIMEOUT_MS = 10_000

/**
 * Makes a client for one user; see {@link ClientOptions}. Throws a {@link PresenceError} `bad_options`
 * without a `url`.
 */
export function createClient(options: ClientOptions): PresenceClient {
  const {
    url,
    token,
    getToken,
    renew,
    WebSocket,
    autoConnect,
    idleAfterMs = IDLE_AFTER_MS,
    timeoutMs = TIMEOUT_MS,
  } = options
  if (!url) throw new PresenceError('bad_options', 'set "url"')
  const userId = options.userId == null ? undefined : validUserId(options.userId)
  const platform: Platform = { ...detectPlatform(WebSocket), ...options.platform }
  const [onChange, emitChanged] = listeners<[readonly PresenceUser[]]>()
  const [onCount, emitCount] = listeners<[number]>()
  const [onMyStatus, emitStatus] = listeners<[MyStatus]>()
  const [onConnectionChange, emitState] = listeners<[ConnectionState]>()
  const [onError, emitError] = listeners<[PresenceError]>()
  /** What the URL of the newest connection says of the choice. */
  let sentChoice: UrlChoice = {}
  /** How far the server's clock is ahead of this device's, in ms; `NaN` before the first welcome. */
  let aheadMs = Number.NaN
  /** Failed attempts before the first connection; `NaN` after it. */
  let failures = 0
  /** Why requests cannot be sent: the client is closed, or the server refuses it. */
  let failure: PresenceError | undefined

  const now = (): number => platform.now() + aheadMs

  const credentials = credentialsProvider(
    { ...options, userId } as ClientOptions & { readonly userId?: string | undefined },
    platform,
    now,
    () => {
      sentChoice = own.urlChoice()
      return sentChoice
    },
    request => send(request),
    emitError,
  )
  // Without a user id and a token, cookies say who connects, and `renew` can renew them.
  const tokenRetries = getToken ? 1 : userId || token ? 0 : renew ? 2 : 1
  const connection = createConnection(platform, tokenRetries, {
    prepare: credentials.prepare,
    resume(welcome) {
      aheadMs = Date.parse(welcome.serverTime) - platform.now()
      failures = Number.NaN
      credentials.resume()
      own.resume()
      requests.resend()
      subscriptions.resume(welcome)
    },
    receive(message) {
      if (credentials.receive(message)) return
      const isReply = requests.receive(message)
      own.receive(message)
      if (isReply || subscriptions.receive(message)) return
      // An observer has no activity, so the server refuses it.
      if (message.type === 'error' && !own.isActivity(message)) emitError(errorFrom(message))
    },
    slept() {
      // The server answers the state of this device, so the answer shows that the connection is alive.
      subscriptions.setVisible(false)
      own.resend()
    },
    lost() {
      credentials.lost()
      subscriptions.lost()
    },
    changed(state, { code, reason }) {
      if (state === 'refused') {
        // The server's text says how to send a token, and not how to give one to this client.
        const hint = code === badToken && !tokenRetries && !token ? ': pass getToken' : ''
        fail(new PresenceError('refused', (reason ?? `close code ${code}`) + hint, undefined, code))
      }
      if (state === 'waiting' && !reason && ++failures === 3) emitError(unreachable(url))
      emitState(state)
    },
  })
  const { send, dispatch } = connection
  const requests = pendingRequests(platform, timeoutMs, send, connection.state)
  const subscriptions = createSubscriptions(platform, send, resend, emitChanged, emitCount)
  const own = ownStatus(now, send, requests, emitStatus, subscriptions.setVisible, platform)

  function resend(): void {
    own.resend()
    requests.sendChoice()
    requests.resend()
  }

  function stop(error: PresenceError): void {
    failure = error
    requests.close(error)
  }

  function fail(error: PresenceError): void {
    stop(error)
    emitError(error)
  }

  /** Connects if this is the first call that needs a connection. */
  function ensureConnection(): void {
    if (connection.state() !== 'idle' || failure || autoConnect === false) return
    try {
      client.connect()
    } catch (error) {
      fail(error as PresenceError)
    }
  }

  function wake(): void {
    credentials.wake()
    dispatch('wake')
  }

  function subscribe(topics: Iterable<Topic>, listener?: () => void): () => void {
    const unsubscribe = subscriptions.subscribe(topics, listener)
    ensureConnection()
    return unsubscribe
  }

  async function request<Reply extends Message>(request: Request): Promise<Reply> {
    ensureConnection()
    if (failure) throw failure
    return requests.request(request) as Promise<Reply>
  }

  const client: PresenceClient = {
    subscribe: (userIds, listener) => subscribe(validUserIds(userIds), listener),
    watchAll: () => subscribe([ALL_USERS]),
    watchCount: () => subscribe([ONLINE_COUNT]),
    get: userId => subscriptions.get(idOf(userId) as string),
    users: subscriptions.users,
    get count() {
      return subscriptions.count()
    },
    get freshness() {
      return subscriptions.freshness()
    },
    user(id) {
      const userId = validUserId(id)
      return readable(
        () => subscriptions.get(userId),
        changed => subscribe([userId], changed),
      )
    },
    list(userIds) {
      const ids = [...validUserIds(userIds)]
      let last: readonly PresenceUser[] = []
      return readable(
        () => {
          const users = ids.flatMap(userId => subscriptions.get(userId) ?? [])
          if (!isSame(last, users)) last = users
          return last
        },
        changed => subscribe(ids, changed),
      )
    },
    onlineCount: () => readable(subscriptions.count, changed => subscribe([ONLINE_COUNT], changed)),
    async getUsers(userIds) {
      const lists = chunk(validUserIds(userIds))
      const replies = await Promise.all(
        lists.map(list => request<Users>({ type: 'get_users', userIds: list })),
      )
      return replies.flatMap(({ users }) => users)
    },

    serverTime: () => now() || platform.now(),

    get myStatus() {
      return own.status()
    },
    async setStatus(status, { text, expiresAt } = {}) {
      const choice = validChoice(status, text, expiresAt)
      own.setStatus(status)
      const reply = request({ type: 'set_status', ...choice })
      // An attempt whose URL does not hide the user would show the user for a moment: start another one.
      if (status === 'offline' && sentChoice.status !== status && connection.isOpening()) dispatch('lost')
      await reply
      return own.status()
    },
    async identify(username) {
      await request({ type: 'identify', username })
    },
    setActivity: own.setActivity,
    setVisible(isVisible) {
      own.setVisible(isVisible)
      // The connection may have died while the page was hidden, and the token may be old.
      if (isVisible) wake()
    },

    get connectionStatus() {
      return connection.state()
    },
    get refusal() {
      return connection.state() === 'refused' ? failure : undefined
    },
    connect() {
      if (!platform.WebSocket)
        throw new PresenceError('no_websocket', 'no WebSocket: set the option "WebSocket"')
      if (failure?.code === 'closed') throw failure
      failure = undefined
      dispatch('connect')
    },
    close() {
      stop(new PresenceError('closed', 'closed: create a new client'))
      dispatch('close')
      credentials.close()
      stopObserving()
    },

    onChange,
    onCount,
    onMyStatus,
    onConnectionChange,
    onError,
  }

  const stopObserving = observePage(platform, idleAfterMs, client, wake)
  if (platform.WebSocket && (autoConnect ?? (WebSocket || platform.isUsers))) ensureConnection()
  return client
}

/** The error of a client that has never been connected. A query may hold secrets, so the message is without it. */
function unreachable(url: string): PresenceError {
  const advice = 'check the server, its certificate, the path "/ws" and ALLOWED_ORIGINS'
  return new PresenceError('unreachable', `cannot connect to ${url.split('?')[0]}: ${advice}`)
}
