import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { decode } from '@who-is-online/protocol/decode'
import { isName, NAME_RULE, type UserId } from '@who-is-online/protocol/words'
import type { ChangePage } from '../changes/page.ts'
import { type Core, startCore } from '../core.ts'
import { offersWebSocket } from '../gateway/upgrade.ts'
import { createHandler, type Next } from '../http/handler.ts'
import { type Authenticate, createAuthenticatedIdentity } from '../identity/authenticate.ts'
import { createIdentity, mustKnowItsNames } from '../identity/create-identity.ts'
import type { Identity } from '../identity/identity.ts'
import { consoleLine, FunctionLog, type LogLine } from '../log/function-log.ts'
import type { Log } from '../log.ts'
import { openFileLimit } from '../open-files.ts'
import { pathOf } from '../request-target.ts'
import type { Settings } from '../settings.ts'
import { createJsonFileStore } from '../storage/json-file.ts'
import { SystemClock } from '../time/clock.ts'
import { asUser, type PresenceUser } from '../user-json.ts'
import { version } from '../version.ts'
import { readOptions } from './read-options.ts'
import type { EmbeddingSettings } from './settings.ts'

/** Options of {@link createPresence}: these, and settings such as `offlineGraceMs`. */
export interface PresenceOptions extends EmbeddingSettings {
  /** The path of the WebSocket. Default: `/ws`. */
  readonly path?: string | undefined
  /**
   * Says who sent a request to connect. It replaces the settings of identity, such as `authSecret`. It may take 5 s.
   */
  readonly authenticate?: Authenticate | undefined
  /** Takes the log lines. `false`: none are written. Default: errors and infos to the console. */
  readonly log?: LogLine | false | undefined
}

/** A user id: 1 to 128 bytes of UTF-8 without control characters. A safe integer is the id that it spells. */
export type Id = string | number

/** What to set with `setStatus`. */
export interface NewStatus {
  readonly status: 'online' | 'away' | 'busy' | 'offline'
  /** At most 128 characters. Default: none. */
  readonly text?: string | undefined
  /** When the status ends. Default: it does not end. */
  readonly expiresAt?: Date | string | undefined
}

/** Options of {@link EmbeddedPresence.changes}. */
export interface ChangesOptions {
  readonly since?: { readonly epoch: string; readonly seq: number } | undefined
  readonly signal?: AbortSignal | undefined
}

/** A presence server inside an application. */
export interface EmbeddedPresence {
  /**
   * Handles a request of the event `upgrade` if it is for the path and offers WebSocket. Returns `false` for all other
   * requests, and leaves their sockets untouched: the application must handle or destroy them.
   */
  readonly handleUpgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => boolean
  /**
   * Answers `/healthz`, `/readyz`, `/metrics` and `/asyncapi.json`, for an HTTP server, Express or Connect. Calls
   * `next` for other paths; without `next`, they get 404. Mount it where only operators reach it.
   */
  readonly handler: (request: IncomingMessage, response: ServerResponse, next?: Next) => void
  /** Returns users as others see them, in the order of the ids. @throws TypeError for a wrong id */
  readonly getUsers: (userIds: Id | readonly Id[]) => PresenceUser[]
  /**
   * Sets the status of a user who has a connection, as if a client of the user had set it.
   *
   * @throws Error that says what is wrong, or that the user has no connection
   */
  readonly setStatus: (userId: Id, status: NewStatus) => Promise<void>
  /** Ends all sessions of a user, who is offline at once, and closes the connections with 4403. It is not a ban. */
  readonly endSessions: (userId: Id) => void
  /**
   * Erases a person: ends all sessions, and removes the user from memory and from the files. Who connects with the id
   * again is a new user. Resolves when the disk has nothing of the user.
   *
   * @throws Error if the disk fails: the server tries again by itself
   */
  readonly eraseUser: (userId: Id) => Promise<void>
  /**
   * Iterates over the log of changes, page by page as they come; see {@link ChangePage}. Without `since`, the first
   * page tells the present place. `since` is the place of the last page that was handled: `{ epoch, seq }`. The
   * iteration ends when the signal is aborted or the server is closed.
   */
  readonly changes: (options?: ChangesOptions) => AsyncIterable<ChangePage>
  /**
   * Saves all users and closes all connections. Resolves after at most 10 s. Call it before the HTTP server closes,
   * which waits for the connections.
   *
   * @throws Error when the last save failed
   */
  readonly close: () => Promise<void>
}

/**
 * Starts a presence server inside an application: it uses the HTTP server of the application. It has no handlers for
 * signals, reads no environment and writes no log files.
 *
 * @throws WrongSettings for wrong options; StoreLocked if another server uses `dataDir`; StoreDamaged or StoreUnusable
 * if the state can't be read or written
 */
export async function createPresence(options: PresenceOptions): Promise<EmbeddedPresence> {
  const settings = readOptions(options)
  const { path = '/ws', authenticate } = options
  const clock = new SystemClock(Date.now, () => performance.now())
  const log = new FunctionLog(options.log === false ? () => {} : (options.log ?? consoleLine), () =>
    clock.steady(),
  )
  const core = await startCore({
    settings,
    identity: identityOf(settings, authenticate, clock, log),
    mustKnowItsNames: authenticate ? settings.ENVIRONMENT === 'development' : mustKnowItsNames(settings),
    path,
    store: createJsonFileStore({
      dataDir: settings.DATA_DIR,
      saveEveryMs: settings.SAVE_EVERY_MS,
      now: () => clock.now(),
      steady: () => clock.awake(),
      log,
    }),
    clock,
    log,
    openFiles: openFileLimit(),
    droppedLines: undefined,
  })
  core.begin()
  return embed(core, path, log)
}

function identityOf(
  settings: Settings,
  authenticate: Authenticate | undefined,
  clock: SystemClock,
  log: Log,
): Identity {
  if (!authenticate) return createIdentity(settings, { clock, log }, undefined, undefined)
  return createAuthenticatedIdentity({
    authenticate,
    defaultRights: { watch: settings.AUTH_WATCH },
    now: () => clock.now(),
    failed: reason => log.limited('application', 'authenticate gave no usable answer', { reason }),
  })
}

/** How many changes or users a page has. */
const CHANGES_LIMIT = 1_000

/** The functions need no `this`, so that an application may pass them on alone. */
function embed(core: Core, path: string, log: Log): EmbeddedPresence {
  const { presence, requests, gateway, health, metrics, tracker } = core
  let closed: Promise<void> | undefined
  return {
    handler: createHandler({ health, metrics, version, log }),

    handleUpgrade(request, socket, head) {
      if (pathOf(request.url ?? '') !== path || !offersWebSocket(request)) return false
      gateway.upgrade(request, socket as Socket, head)
      return true
    },

    getUsers(userIds) {
      const all = typeof userIds === 'object' ? userIds : [userIds]
      return all.map(userId => asUser(presence.see(idOf(userId))))
    },

    async setStatus(userId, { status, text, expiresAt }) {
      const id = idOf(userId)
      if (closed) throw new Error('the presence server is closed')
      if (!presence.hasSession(id)) throw new Error(`the user ${JSON.stringify(id)} has no connection`)
      const end = expiresAt instanceof Date ? expiresAt.toISOString() : expiresAt
      const request = decode(JSON.stringify({ type: 'set_status', status, text, expiresAt: end }), 'v2')
      // No session has this id, so all connections of the user are told.
      const asker = { version: 'v2', userId: id, sessionId: '' } as const
      const reply = requests.handle(asker, request as Parameters<typeof requests.handle>[1])
      if (reply.kind === 'refused') throw new Error(reply.refused.text)
      if (reply.kind === 'placed') await reply.placed
    },

    changes({ since, signal } = {}) {
      const place = since && { epoch: since.epoch, seq: since.seq }
      return core.changes.pages({ since: place, limit: CHANGES_LIMIT, signal })
    },

    endSessions: userId => void gateway.endSessions(idOf(userId)),

    async eraseUser(userId) {
      const id = idOf(userId)
      if (closed) throw new Error('the presence server is closed')
      await tracker.erase(id)
    },

    close() {
      closed ??= core.stop(async () => {})
      return closed
    },
  }
}

/** @throws TypeError for a wrong id */
function idOf(userId: Id): UserId {
  const text = Number.isSafeInteger(userId) ? String(userId) : userId
  if (typeof text === 'string' && isName(text)) return text
  throw new TypeError(`a user id must be ${NAME_RULE}, or a safe integer`)
}
