import { createHmac } from 'node:crypto'
import type { UserId } from './api.ts'
import { textOfId } from './ids.ts'

/** What a token says of its user. */
export interface TokenFields {
  readonly userId: UserId
  /** The name that others see. The user then can't choose another one. */
  readonly name?: string | undefined
  /** For how long a client can connect with it, in seconds. Default: 600. Clients ask for a new one in time. */
  readonly expiresInSeconds?: number | undefined
  /** Whom the user may ask for: everybody (`all`), any user by id (`named`), or these users. Default: `AUTH_WATCH`. */
  readonly watch?: 'all' | 'named' | readonly UserId[] | undefined
  readonly rooms?: readonly string[] | undefined
  /** With `true`, the connection only reads, and its user is not present. */
  readonly observer?: boolean | undefined
  /** More claims, such as `iss` for `AUTH_ISSUER` and `aud` for `AUTH_AUDIENCE`. */
  readonly claims?: Readonly<Record<string, unknown>> | undefined
}

const EXPIRES_IN_SECONDS = 600

/** The shortest secret that the server takes, in bytes. */
const MIN_SECRET_BYTES = 32

/** The longest user id and name, in bytes of UTF-8. */
const MAX_NAME_BYTES = 128

/**
 * Makes a token (JWT, HS256) with which a client connects as a user. Sign one only for the user who is signed in.
 *
 * @param secret `AUTH_SECRET` of the server, as it stands there: it is not decoded
 * @throws TypeError if a field or the secret is wrong
 */
export function signToken(fields: TokenFields, secret: string): string {
  const { userId, name, expiresInSeconds = EXPIRES_IN_SECONDS, watch, rooms, observer, claims } = fields
  if (typeof secret !== 'string' || Buffer.byteLength(secret) < MIN_SECRET_BYTES || secret.includes(',')) {
    throw new TypeError('the secret must be AUTH_SECRET of the server: at least 32 bytes, without a comma')
  }
  if (!(expiresInSeconds > 0 && Number.isFinite(expiresInSeconds))) {
    throw new TypeError('"expiresInSeconds" must be a number above 0')
  }
  const now = Math.floor(Date.now() / 1_000)
  const rights = { watch: Array.isArray(watch) ? watch.map(String) : watch, rooms, observer }
  const hasRights = Object.values(rights).some(right => right !== undefined)
  return signed(
    {
      ...claims,
      sub: nameOf('userId', userId),
      ...(name !== undefined && { name: nameOf('name', name) }),
      iat: now,
      exp: now + Math.ceil(expiresInSeconds),
      ...(hasRights && { presence: rights }),
    },
    secret,
  )
}

function signed(claims: object, secret: string): string {
  const parts = [{ alg: 'HS256', typ: 'JWT' }, claims]
  const text = parts.map(part => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')
  return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`
}

/** The server would refuse the token, but only the user would be told. */
function nameOf(field: string, value: unknown): string {
  const text = textOfId(value)
  const isName = text !== undefined && Buffer.byteLength(text) <= MAX_NAME_BYTES && !/\p{Cc}/u.test(text)
  if (isName) return text
  throw new TypeError(`"${field}" must be a text of 1 to ${MAX_NAME_BYTES} bytes without control characters`)
}
