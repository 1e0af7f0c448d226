import { isName, NAME_RULE, type UserId } from '@who-is-online/protocol/words'

/** What a connection may see and enter. */
export interface Rights {
  /**
   * Which users it may ask about and subscribe to. `all`: everybody, also lists and counts of all users. `named`:
   * any user by id, but no lists and no counts of all users. A set: only these users, by id.
   */
  readonly watch: 'all' | 'named' | ReadonlySet<UserId>
  /** The rooms it may enter: exact names, or a beginning with one trailing `*`. */
  readonly rooms: readonly string[]
  /** Whether it only reads, and its user is never present. */
  readonly observer: boolean
}

/** What identity gives to a connection. */
export interface Grant {
  readonly userId: UserId
  readonly username: string | undefined
  /** Whether the name comes from an authority, so that the client must not set another one. */
  readonly isNameFixed: boolean
  /** When the grant ends, in ms since the epoch (wall clock); `undefined` if it does not end. */
  readonly expiresAt: number | undefined
  readonly rights: Rights
}

/** The rights of every connection if user ids are believed without a proof. */
export const ALL_RIGHTS: Rights = { watch: 'all', rooms: ['*'], observer: false }

/** The rights of a user whose token does not limit or extend them. */
export interface DefaultRights {
  /** The setting AUTH_WATCH. */
  readonly watch: 'all' | 'named'
}

/** The rights of a user whose credential says nothing about them: no room is entered. */
export function defaultRights({ watch }: DefaultRights): Rights {
  return { watch, rooms: [], observer: false }
}

/** Whether an authority gives a name: an empty one, and `null`, are the same as none. */
export function isNameGiven(name: unknown): boolean {
  return name !== undefined && name !== null && name !== ''
}

/** The most entries in a list of a token. A token that fits into a request can't have more. */
const MAX_ENTRIES = 1_000

const ROOM = /^[^*]*\*?$/

/**
 * Reads the rights from the object in a token that has them. Absent fields, and `null`, stand for the defaults; no
 * room is entered by default.
 *
 * @param claims the value of the claim; `undefined` if the token has none
 * @returns the rights, or a sentence that says which field is wrong. A wrong field is never read as a default: that
 * could give more than the issuer wanted.
 */
export function rightsOf(claims: unknown, defaults: DefaultRights): Rights | string {
  if (claims === undefined || claims === null) return defaultRights(defaults)
  if (typeof claims !== 'object' || Array.isArray(claims)) return 'must be an object'
  const { watch, rooms, observer } = claims as Readonly<Record<string, unknown>>
  const seen = watchOf(watch ?? defaults.watch)
  if (seen === undefined) return `"watch" must be "all", "named" or a list of user ids, each ${NAME_RULE}`
  const entered = rooms ?? []
  if (!isListOf(entered, isRoom)) return '"rooms" must be a list of names; only the last character may be "*"'
  if (typeof (observer ?? false) !== 'boolean') return '"observer" must be true or false'
  return { watch: seen, rooms: entered, observer: observer === true }
}

function watchOf(watch: unknown): Rights['watch'] | undefined {
  if (watch === 'all' || watch === 'named') return watch
  return isListOf(watch, isName) ? new Set(watch) : undefined
}

function isRoom(text: string): boolean {
  return isName(text) && ROOM.test(text)
}

function isListOf(value: unknown, isValid: (text: string) => boolean): value is string[] {
  if (!Array.isArray(value) || value.length > MAX_ENTRIES) return false
  return value.every(entry => typeof entry === 'string' && isValid(entry))
}
