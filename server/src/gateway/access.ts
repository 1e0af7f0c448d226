import type { ClientMessage } from '@who-is-online/protocol/catalogue'
import type { UserId } from '@who-is-online/protocol/words'
import type { Grant } from '../identity/grant.ts'
import type { Identified, Identity } from '../identity/identity.ts'
import { permits, sees, seesAll } from '../identity/permits.ts'
import type { Clock } from '../time/clock.ts'

/** What the access of all connections shares. */
export interface AccessPorts {
  readonly identity: Pick<Identity, 'renew'>
  readonly clock: Pick<Clock, 'now' | 'awake'>
  /** How long a connection may outlive its token, in ms. */
  readonly expiredGraceMs: number
}

/** The result of a renewal. In a refusal, `rule` says what is wrong with the token. */
export type Renewed =
  | { readonly state: 'renewed'; readonly grant: Grant }
  | { readonly state: 'refused'; readonly rule: string; readonly text: string }
  | { readonly state: 'unavailable'; readonly text: string }

/**
 * What one connection may do, and until when.
 *
 * The wall clock is read only when a grant arrives. From then on, the remaining time is measured in awake time: a jump
 * of the wall clock ends no connection, and after a suspension the clients have time to renew their tokens.
 */
export class Access {
  readonly #ports: AccessPorts
  #grant: Grant
  #endsAt: number

  constructor(ports: AccessPorts, grant: Grant) {
    this.#ports = ports
    this.#grant = grant
    this.#endsAt = this.#endOf(grant)
  }

  get grant(): Grant {
    return this.#grant
  }

  /** When the connection must end, in awake time; Infinity if its grant does not end. */
  get endsAt(): number {
    return this.#endsAt
  }

  /** Whether the connection only reads, and its user is never present. It does not change. */
  get isObserver(): boolean {
    return this.#grant.rights.observer
  }

  /** Whether the connection may be told about everybody. */
  get seesAll(): boolean {
    return seesAll(this.#grant)
  }

  /** Whether the connection may be told about one user. */
  sees(userId: UserId): boolean {
    return sees(this.#grant, userId)
  }

  /** The text of the refusal if a request is not permitted, else `undefined`. */
  refusalOf(request: ClientMessage): string | undefined {
    return permits(this.#grant, request)
  }

  /** Checks a new token. Nothing changes before `accept`. The promise never rejects. */
  check(token: string): Renewed | Promise<Renewed> {
    const identified = this.#ports.identity.renew(token)
    return identified instanceof Promise
      ? identified.then(identified => this.#judge(identified))
      : this.#judge(identified)
  }

  /** Continues with the grant of a new token. */
  accept(grant: Grant): void {
    this.#grant = grant
    this.#endsAt = this.#endOf(grant)
  }

  #judge(identified: Identified): Renewed {
    switch (identified.state) {
      case 'known':
        return this.#compare(identified.grant)
      case 'refused':
      case 'unavailable':
        return identified
      case 'unusable':
      case 'wrong request':
        return { state: 'refused', rule: 'claim', text: identified.text }
    }
  }

  #compare(grant: Grant): Renewed {
    const refused = (text: string): Renewed => ({ state: 'refused', rule: 'claim', text })
    if (grant.userId !== this.#grant.userId) return refused('the token is of another user: connect again')
    // An observer has no session, so it can't become a user who is present, nor the reverse.
    if (grant.rights.observer !== this.isObserver) {
      return refused('the token has another "observer" than this connection: connect again')
    }
    return { state: 'renewed', grant }
  }

  #endOf({ expiresAt }: Grant): number {
    if (expiresAt === undefined) return Number.POSITIVE_INFINITY
    const { clock, expiredGraceMs } = this.#ports
    return clock.awake() + (expiresAt - clock.now()) + expiredGraceMs
  }
}
