import { readSettings } from '../../settings.ts'
import { createIdentity } from '../create-identity.ts'
import type { Identified, Identity, IdentityRequest } from '../identity.ts'
import { newRequest } from './new-request.ts'

/** An identity with the clock of a test. */
export interface TestIdentity {
  readonly identity: Identity
  /** Identifies the client of a request. */
  identify(request: Partial<IdentityRequest>): Promise<Identified>
  /** Identifies a client that sends this token as `Authorization: Bearer`. */
  bearer(token: string): Promise<Identified>
  /** What was logged: texts and fields. */
  readonly logged: string[]
  readonly clock: { now: number; steady: number }
}

/** The time at which tests begin, in ms since the epoch. */
export const NOW = Date.parse('2026-01-01T12:00:00Z')

/** Creates the identity that some settings describe. */
export function newIdentity(settings: Readonly<Record<string, string>>): TestIdentity {
  const clock = { now: NOW, steady: 0 }
  const logged: string[] = []
  const identity = createIdentity(
    readSettings({ ENVIRONMENT: 'development', ...settings }),
    {
      clock: { now: () => clock.now, steady: () => clock.steady },
      log: { limited: (kind, text, fields) => logged.push(JSON.stringify([kind, text, fields])) },
    },
    undefined,
    undefined,
  )
  const identify = async (request: Partial<IdentityRequest>): Promise<Identified> =>
    identity.identify(
      newRequest({
        rawHeaders: Object.entries(request.headers ?? {}).flatMap(([name, value]) => [name, String(value)]),
        ...request,
      }),
    )
  const bearer = (token: string): Promise<Identified> =>
    identify({ headers: { authorization: `Bearer ${token}` } })
  return { identity, identify, bearer, logged, clock }
}
