import { watchDocument } from './activity.ts'
import type { PresenceClient } from './api.ts'
import { PresenceError } from './errors.ts'
import { checked, split } from './ids.ts'
import { link } from './link.ts'
import { call, listeners } from './listeners.ts'
import type { ConnectionState } from './machine.ts'
import type { ClientOptions } from './options.ts'
import { passport } from './passport.ts'
import { type Platform, surroundings } from './platform.ts'
import { refusal, requests } from './requests.ts'
import { COUNT, EVERYBODY, roster } from './roster.ts'
import { type MyStatus, self } from './self.ts'
import { timer } from './timer.ts'
import type { PresenceUser } from './view.ts'
import type { Message, Refusal, Request, Said } from './wire.ts'

/** Shortest time between two rounds of subscriptions: a list that is scrolled stays well below what a server takes. */
const FLUSH_MS = 200

/** When a subscription that was refused for now is asked for again, where the server does not say. */
const AGAIN_MS = 1_000

/** After this long without a sign of the user a device is idle: short enough to be true, long enough to read a page. */
const IDLE_AFTER_MS = 5 * 60_000

const TIMEOUT_MS = 10_000

/** Makes a client. Throws a {@link PresenceError} `bad_options` for options that can't be meant. */
export function createClient(options: ClientOptions): PresenceClient {
  const { url, userId, token, getToken, WebSocket, autoConnect, idleAfterMs, timeoutMs } = options
  if (!url || !(userId || token || getToken)) {
    throw new PresenceError('bad_options', 'url and userId, token or getToken are needed')
  }
  const platform: Platform = { ...surroundings(), ...(WebSocket && { WebSocket }), ...options.platform }
  const changes = listeners<[readonly PresenceUser[]]>()
  const counts = listeners<[number]>()
  const connections = listeners<[ConnectionState]>()
  const choices = listeners<[MyStatus]>()
  const errors = listeners<[PresenceError]>()
  const flushing = timer(platform)
  /** Before this time nothing is said of subscriptions. */
  let quietUntil = 0
  let refused: PresenceError | undefined

  const say = (said: Said): void => connection.say(said)
  const wake = (): void => connection.happen('wake')
  const me = self(say)
  const asking = requests(platform, timeoutMs ?? TIMEOUT_MS, say)
  const followed = roster()
  const papers = passport(options, platform, () => connection.happen('renew'))
  const connection = link(platform, getToken !== undefined, {
    credentials: newSession => papers.present(newSession),
    resume({ serverTime, limits }) {
      followed.limits = limits
      papers.welcomed(serverTime)
      me.resume()
      asking.resume()
      flush()
    },
    receive,
    lost() {
      papers.lost()
      followed.lost()
      tellChanges()
    },
    refused(closeCode, reason) {
      refused = new PresenceError('refused', reason ?? `closed with ${closeCode}`, undefined, closeCode)
      asking.failAll(refused)
      errors.tell(refused)
    },
    changed: connections.tell,
  })

  function receive(message: Message): void {
    if (me.receive(message)) choices.tell(me.status)
    switch (message.type) {
      case 'presence_state':
        followed.state(message)
        return tellChanges()
      case 'presence_diff':
        if (!followed.diff(message)) flushSoon()
        return tellChanges()
      case 'online_count':
        return counted(message.count, message.id)
      case 'error':
        return failed(message)
      default:
        asking.receive(message)
    }
  }

  function counted(count: number, id: unknown): void {
    const before = followed.count
    followed.counted(count, id)
    if (followed.count !== before) counts.tell(count)
  }

  function failed(message: Refusal): void {
    if (asking.receive(message)) return
    const mayAskAgain = message.code === 'too_fast' || message.code === 'unavailable'
    if (followed.refused(message, mayAskAgain) && mayAskAgain) {
      quietUntil = platform.now() + (message.retryAfterMs ?? AGAIN_MS)
      flushSoon()
    } else {
      errors.tell(refusal(message))
    }
  }

  function tellChanges(): void {
    const { users, listeners: rows } = followed.takeChanged()
    for (const row of rows) call(row)
    if (users.length > 0) changes.tell(users)
  }

  /** Says soon what is followed now: a thousand rows that appear together are one message, one that only blinks is none. */
  function flushSoon(): void {
    flushing.set(Math.max(0, quietUntil - platform.now()), flush)
  }

  function flush(): void {
    flushing.stop()
    if (connection.state !== 'open') return void followed.forget()
    const said = followed.says(asking.nextId)
    said.forEach(say)
    if (said.length > 0) quietUntil = platform.now() + FLUSH_MS
  }

  /** Something is wanted for which a connection is needed. */
  function need(): void {
    if (connection.state === 'idle' && autoConnect !== false && platform.WebSocket) client.connect()
  }

  /** Follows something until what is returned is called. */
  function follow(keys: ReadonlySet<string>, listener?: () => void): () => void {
    let isOver = false
    followed.follow(keys, listener)
    need()
    flushSoon()
    return () => {
      if (isOver) return
      isOver = true
      followed.unfollow(keys, listener)
      flushSoon()
    }
  }

  async function ask(request: Request): Promise<Message> {
    need()
    if (connection.state === 'closed') throw closed()
    if (refused) throw refused
    return asking.ask(request)
  }

  const client: PresenceClient = {
    // One function of ours for each subscription, so that two may share a listener.
    subscribe: (userIds, listener) => follow(checked(userIds), listener && (() => listener())),
    watchAll: () => follow(new Set([EVERYBODY])),
    watchCount: () => follow(new Set([COUNT])),
    get: followed.get,
    users: followed.users,
    get count() {
      return followed.count
    },
    get freshness() {
      return connection.state === 'open' && followed.isLive ? 'live' : 'stale'
    },
    async getUsers(userIds) {
      const lists = split(checked(userIds), followed.limits)
      const answers = await Promise.all(lists.map(list => ask({ type: 'get_users', userIds: list })))
      return answers.flatMap(answer => ('users' in answer ? answer.users : []))
    },

    get myStatus() {
      return me.status
    },
    async setStatus(status, { text, expiresAt } = {}) {
      const until = expiresAt && { expiresAt: new Date(expiresAt).toISOString() }
      await ask({ type: 'set_status', status, ...(text && { text }), ...until })
      return me.status
    },
    async identify(username) {
      await ask({ type: 'identify', username })
      papers.username = username
    },
    setActivity: me.setActivity,
    setVisible(isVisible) {
      me.setVisible(isVisible)
      // Whoever looks again after a while should not look at a connection that died meanwhile.
      if (isVisible) wake()
    },

    get connectionStatus() {
      return connection.state
    },
    get refusal() {
      return refused
    },
    connect() {
      if (!platform.WebSocket) throw new PresenceError('no_websocket', 'no WebSocket here')
      if (connection.state === 'closed') throw closed()
      refused = undefined
      connection.happen('connect')
    },
    close() {
      connection.happen('close')
      asking.failAll(closed())
      papers.end()
      unwatch?.()
      platform.network?.removeEventListener('online', wake)
    },

    onChange: changes.add,
    onCount: counts.add,
    onMyStatus: choices.add,
    onConnectionChange: connections.add,
    onError: errors.add,
  }

  const { document, network } = platform
  const unwatch = document && watchDocument(document, platform, idleAfterMs ?? IDLE_AFTER_MS, client)
  network?.addEventListener('online', wake)
  if (autoConnect ?? (platform.isUsers || WebSocket !== undefined)) need()
  return client
}

function closed(): PresenceError {
  return new PresenceError('closed', 'the client was closed')
}
