import type { IncomingMessage } from 'node:http'
import { notRenewable, readAnswer, refusedByApplication } from './answer.ts'
import { consistent } from './consistent.ts'
import type { DefaultRights } from './grant.ts'
import type { Identified, Identity, IdentityRequest } from './identity.ts'

/** What an application says about the user of a request. Unknown fields are ignored. */
export interface AuthenticatedUser {
  /** The id of the user: 1 to 128 bytes of UTF-8 without control characters. A whole number is the id it spells. */
  readonly userId: string | number
  /** The name that others see. The client can't change it. Without it, the client may give a name. */
  readonly name?: string | null | undefined
  /** When the connection needs a new identity. After AUTH_EXPIRED_GRACE_MS it is closed with 4401. */
  readonly expiresAt?: Date | string | null | undefined
  /** Whom the user may see: `all`, `named` (any user by id), or these users. Default: the setting `authWatch`. */
  readonly watch?: 'all' | 'named' | readonly string[] | null | undefined
  /** The rooms that the user may enter: names, or a beginning with one trailing `*`. Default: none. */
  readonly rooms?: readonly string[] | null | undefined
  /** `true`: the connection only reads, and the user is not present. */
  readonly observer?: boolean | null | undefined
}

/**
 * Says who sent an upgrade request: a user, or `null` to refuse the connection (4401 in a browser, HTTP 401 elsewhere).
 * An error that it throws is logged, and the client tries again later (HTTP 503). So does one that takes too long.
 */
export type Authenticate = (
  request: IncomingMessage,
) => AuthenticatedUser | null | undefined | Promise<AuthenticatedUser | null | undefined>

export interface AuthenticateOptions {
  readonly authenticate: Authenticate
  readonly defaultRights: DefaultRights
  /** The wall clock, in ms since the epoch. */
  readonly now: () => number
  /** Called with the reason when the function gave no usable answer. */
  readonly failed: (reason: string) => void
  /** How long the function may take, in ms. */
  readonly timeoutMs?: number
}

/** How long the application may take, in ms: less than a client waits for its connection. */
const AUTHENTICATE_MS = 5_000

/** Identifies clients by a function of the application. */
export function createAuthenticatedIdentity(options: AuthenticateOptions): Identity {
  return {
    async identify(request) {
      try {
        return consistent(await ask(request, options), request)
      } catch (error) {
        options.failed((error as Error)?.message ?? String(error))
        return { state: 'unavailable', text: 'the application can not say at present who the user is' }
      }
    },
    renew: () => notRenewable('the application'),
  }
}

async function ask({ request }: IdentityRequest, options: AuthenticateOptions): Promise<Identified> {
  const { authenticate, timeoutMs = AUTHENTICATE_MS } = options
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs)
  })
  try {
    const user = await Promise.race([authenticate(request), late])
    if (user === null || user === undefined) return refusedByApplication()
    return readAnswer(plain(user), options)
  } finally {
    clearTimeout(timer)
  }
}

/** The same with texts, as other applications answer over HTTP. */
function plain({ userId, expiresAt, ...rest }: AuthenticatedUser): object {
  return {
    ...rest,
    userId: Number.isSafeInteger(userId) ? String(userId) : userId,
    expiresAt: expiresAt instanceof Date ? expiresAt.toISOString() : expiresAt,
  }
}
