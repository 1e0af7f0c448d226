import { watchPage } from './activity.ts'
import type { PresenceClient } from './api.ts'
import { PresenceError, refusal } from './errors.ts'
import { checked, split } from './ids.ts'
import { link } from './link.ts'
import { listeners } from './listeners.ts'
import type { ConnectionState } from './machine.ts'
import type { ClientOptions } from './options.ts'
import { passport } from './passport.ts'
import { type Platform, surroundings } from './platform.ts'
import { requests } from './requests.ts'
import { COUNT, EVERYBODY, type PresenceUser, roster } from './roster.ts'
import { type MyStatus, self } from './self.ts'
import type { Message, Request, Said } from './wire.ts'

/** After this long without a sign of the user a device is idle: short enough to be true, long enough to read a page. */
const IDLE_AFTER_MS = 5 * 60_000

const TIMEOUT_MS = 10_000

/** Makes a client. Throws a {@link PresenceError} `bad_options` for options that can't be meant. */
export function createClient(options: ClientOptions): PresenceClient {
  const { url, userId, token, getToken, WebSocket, autoConnect } = options
  const { idleAfterMs = IDLE_AFTER_MS, timeoutMs = TIMEOUT_MS } = options
  if (!url || !(userId || token || getToken)) {
    throw new PresenceError('bad_options', 'url and userId, token or getToken are needed')
  }
  const platform: Platform = { ...surroundings(), ...(WebSocket && { WebSocket }), ...options.platform }
  const [onChange, tellChanged] = listeners<[readonly PresenceUser[]]>()
  const [onCount, tellCount] = listeners<[number]>()
  const [onMyStatus, tellChoice] = listeners<[MyStatus]>()
  const [onConnectionChange, changed] = listeners<[ConnectionState]>()
  const [onError, tellError] = listeners<[PresenceError]>()
  /** Why nothing can be asked. */
  let over: PresenceError | undefined

  const say = (said: Said): void => connection.say(said)
  const asking = requests(platform, timeoutMs, say, () => followed.limits.maxMessageBytes)
  const { nextId } = asking
  const followed = roster(platform, say, said => connection.wait(said), nextId, tellChanged, tellCount)
  const me = self(platform, say, nextId, tellChoice, followed.hide)
  const papers = passport(options, platform, () => connection.happen('renew'), tellError)
  const connection = link(platform, getToken !== undefined, {
    credentials: papers.present,
    resume(welcome) {
      papers.welcomed(welcome.serverTime)
      me.resume()
      asking.resume()
      followed.resume(welcome)
    },
    receive(message) {
      me.receive(message)
      if (asking.receive(message) || followed.receive(message)) return
      if (message.type === 'error' && !me.refused(message)) tellError(refusal(message))
    },
    lost() {
      papers.lost()
      me.lost()
      followed.lost()
    },
    refused(closeCode, reason) {
      const error = new PresenceError('refused', reason, undefined, closeCode)
      end(error)
      tellError(error)
    },
    changed,
  })

  function end(why: PresenceError): void {
    over = why
    asking.failAll(why)
  }

  /** Something is wanted for which a connection is needed. */
  function need(): void {
    if (connection.state !== 'idle') return
    if (!platform.WebSocket) {
      if (over) return
      over = new PresenceError('no_websocket')
      tellError(over)
    } else if (autoConnect !== false) client.connect()
  }

  function follow(keys: ReadonlySet<string>, listener?: () => void): () => void {
    const unfollow = followed.follow(keys, listener)
    need()
    return unfollow
  }

  async function ask(request: Request): Promise<Message> {
    need()
    if (over) throw over
    return asking.ask(request)
  }

  const client: PresenceClient = {
    subscribe: (userIds, listener) => follow(checked(userIds), listener),
    watchAll: () => follow(new Set([EVERYBODY])),
    watchCount: () => follow(new Set([COUNT])),
    get: followed.get,
    users: followed.users,
    get count() {
      return followed.count
    },
    get freshness() {
      return followed.freshness
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
      const end = expiresAt && (new Date(expiresAt).toJSON() as string | null)
      if (end === null) throw new PresenceError('bad_message', 'expiresAt is no time')
      await ask({ type: 'set_status', status, text, expiresAt: end })
      return me.status
    },
    async identify(username) {
      await ask({ type: 'identify', username })
      papers.rename(username)
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
      return connection.state === 'suspended' ? over : undefined
    },
    connect() {
      if (!platform.WebSocket) throw new PresenceError('no_websocket')
      if (over?.code === 'closed') throw over
      over = undefined
      connection.happen('connect')
    },
    close() {
      end(new PresenceError('closed'))
      connection.happen('close')
      papers.end()
      unwatch()
    },

    onChange,
    onCount,
    onMyStatus,
    onConnectionChange,
    onError,
  }

  function wake(): void {
    connection.happen('wake')
  }

  const unwatch = watchPage(platform, idleAfterMs, client, wake)
  if (platform.WebSocket && (autoConnect ?? (platform.isUsers || WebSocket !== undefined))) need()
  return client
}
