import { watchPage } from './activity.ts'
import type { PresenceClient } from './api.ts'
import { choiceOf, type MyStatus } from './choice.ts'
import { createConnection } from './connection.ts'
import { PresenceError, refusal } from './errors.ts'
import { checked, split } from './ids.ts'
import { listeners } from './listeners.ts'
import type { ConnectionState } from './machine.ts'
import type { ClientOptions } from './options.ts'
import { passport } from './passport.ts'
import { type Platform, surroundings } from './platform.ts'
import type { Users } from './protocol.ts'
import { requests } from './requests.ts'
import { COUNT, EVERYBODY, type PresenceUser, roster, type Topic } from './roster.ts'
import { type SaidChoice, self } from './self.ts'
import type { Message, Request } from './wire.ts'

/** After this long without a sign of the user a device is idle: short enough to be true, long enough to read a page. */
const IDLE_AFTER_MS = 5 * 60_000

const TIMEOUT_MS = 10_000

/** Makes a client. Throws a {@link PresenceError} `bad_options` for options that can't be meant. */
export function createClient(options: ClientOptions): PresenceClient {
  const { url, userId, token, getToken, WebSocket, autoConnect } = options
  const { idleAfterMs = IDLE_AFTER_MS, timeoutMs = TIMEOUT_MS } = options
  if (!url || !(userId || token || getToken)) {
    throw new PresenceError('bad_options', 'url and identity are needed')
  }
  const platform: Platform = { ...surroundings(), ...(WebSocket && { WebSocket }), ...options.platform }
  const [onChange, tellChanged] = listeners<[readonly PresenceUser[]]>()
  const [onCount, tellCount] = listeners<[number]>()
  const [onMyStatus, tellChoice] = listeners<[MyStatus]>()
  const [onConnectionChange, tellState] = listeners<[ConnectionState]>()
  const [onError, tellError] = listeners<[PresenceError]>()
  /** What the URL of the newest connection says. */
  let said: SaidChoice = {}
  /** Why nothing can be asked. */
  let over: PresenceError | undefined

  const connection = createConnection(platform, !!getToken, {
    prepare: newSession => papers.present(newSession),
    resume(welcome) {
      papers.welcomed(welcome.serverTime)
      me.resume(welcome)
      asking.resume()
      followed.resume(welcome)
    },
    receive(message) {
      const isAnswer = asking.receive(message)
      me.receive(message)
      if (isAnswer || followed.receive(message)) return
      if (message.type === 'error') tellError(refusal(message))
    },
    lost() {
      papers.lost()
      followed.lost()
    },
    changed(state, { code, reason }) {
      if (state === 'suspended') fail(new PresenceError('refused', reason, undefined, code))
      tellState(state)
    },
  })
  const { send: say, dispatch } = connection
  const papers = passport(
    options,
    platform,
    () => {
      said = me.forUrl()
      return said
    },
    () => dispatch('abandon'),
    tellError,
  )
  const asking = requests(platform, timeoutMs, say)
  const followed = roster(platform, say, sayAgain, tellChanged, tellCount)
  const me = self(platform, say, asking, tellChoice, followed.hide)

  function sayAgain(): void {
    me.sayAll()
    asking.sayChoice()
    asking.resume()
  }

  function end(why: PresenceError): void {
    over = why
    asking.failAll(why)
  }

  function fail(why: PresenceError): void {
    end(why)
    tellError(why)
  }

  /** Something is wanted for which a connection is needed. */
  function need(): void {
    if (connection.state !== 'idle' || over || autoConnect === false) return
    if (platform.WebSocket) client.connect()
    else fail(new PresenceError('no_websocket'))
  }

  function follow(topics: Iterable<Topic>, listener?: () => void): () => void {
    const unfollow = followed.follow(topics, listener)
    need()
    return unfollow
  }

  async function ask<Answer extends Message>(request: Request): Promise<Answer> {
    need()
    if (over) throw over
    return asking.ask(request) as Promise<Answer>
  }

  const client: PresenceClient = {
    subscribe: (userIds, listener) => follow(checked(userIds), listener),
    watchAll: () => follow([EVERYBODY]),
    watchCount: () => follow([COUNT]),
    get: followed.get,
    users: followed.users,
    get count() {
      return followed.count
    },
    get freshness() {
      return followed.freshness
    },
    async getUsers(userIds) {
      const lists = split(checked(userIds))
      const answers = await Promise.all(lists.map(list => ask<Users>({ type: 'get_users', userIds: list })))
      return answers.flatMap(({ users }) => users)
    },

    get myStatus() {
      return me.status
    },
    async setStatus(status, { text, expiresAt } = {}) {
      const choice = choiceOf(status, text, expiresAt)
      me.choose(status)
      const asked = ask({ type: 'set_status', ...choice })
      // A connection that is about to begin must not show a user who hides: it is made again.
      if (status === 'offline' && said.status !== status && connection.isHandshaking) dispatch('abandon')
      await asked
      return me.status
    },
    async identify(username) {
      await ask({ type: 'identify', username })
    },
    setActivity: me.setActivity,
    setVisible(isVisible) {
      me.setVisible(isVisible)
      // Whoever looks again after a while should not look at a connection that died meanwhile.
      if (isVisible) dispatch('wake')
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
      dispatch('connect')
    },
    close() {
      end(new PresenceError('closed'))
      dispatch('close')
      papers.end()
      unwatch()
    },

    onChange,
    onCount,
    onMyStatus,
    onConnectionChange,
    onError,
  }

  const unwatch = watchPage(platform, idleAfterMs, client, () => dispatch('wake'))
  if (platform.WebSocket && (autoConnect ?? (WebSocket || platform.isUsers))) need()
  return client
}
