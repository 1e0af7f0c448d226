import { isName, isTime, NAME_RULE, TIME_RULE } from '@who-is-online/protocol/words'
import { type DefaultRights, type Grant, isNameGiven, rightsOf } from './grant.ts'
import type { Identified } from './identity.ts'

/** What the reading of an answer depends on. */
export interface AnswerOptions {
  readonly defaultRights: DefaultRights
  /** The wall clock, in ms since the epoch. */
  readonly now: () => number
}

/**
 * Reads what an application says about a user: `userId`, and optionally `name`, `expiresAt`, `watch`, `rooms` and
 * `observer`. An `expiresAt` that has passed is a refusal.
 *
 * @throws Error that names the wrong field
 */
export function readAnswer(answer: unknown, { defaultRights, now }: AnswerOptions): Identified {
  const grant = grantOf(answer, defaultRights)
  const { expiresAt } = grant
  if (expiresAt === undefined || expiresAt > now()) return { state: 'known', grant }
  return refusedByApplication('the application said that the credential has expired')
}

/** The result for a user whom the application refuses. */
export function refusedByApplication(text = 'the application refused the user'): Identified {
  return { state: 'refused', rule: 'application', text }
}

/** The result of `refresh` where the server checks no tokens. `decider` says who decides about a new connection. */
export function notRenewable(decider: string): Identified {
  return refusedByApplication(
    `this server does not check tokens itself, so it can't renew one: close this connection and connect again, and ${decider} decides`,
  )
}

function grantOf(answer: unknown, defaultRights: DefaultRights): Grant {
  const { userId, name, expiresAt, ...claims } = (answer ?? {}) as Readonly<Record<string, unknown>>
  if (typeof userId !== 'string' || !isName(userId)) throw new Error(`"userId" must be ${NAME_RULE}`)
  const hasName = isNameGiven(name)
  if (hasName && (typeof name !== 'string' || !isName(name))) throw new Error(`"name" must be ${NAME_RULE}`)
  const ends = expiresAt !== undefined && expiresAt !== null
  if (ends && (typeof expiresAt !== 'string' || !isTime(expiresAt))) {
    throw new Error(`"expiresAt" must be ${TIME_RULE}`)
  }
  const rights = rightsOf(claims, defaultRights)
  if (typeof rights === 'string') throw new Error(rights)
  return {
    userId,
    username: hasName ? (name as string) : undefined,
    isNameFixed: hasName,
    expiresAt: ends ? Date.parse(expiresAt as string) : undefined,
    rights,
  }
}
