import type { ClientMessage, ServerMessage } from '@who-is-online/protocol/catalogue'
import type { UserId } from '@who-is-online/protocol/words'
import type { Grant } from '../identity/grant.ts'
import type { Identified, Identity } from '../identity/identity.ts'
import { permits, sees, seesAll } from '../identity/permits.ts'
import type { Log } from '../log.ts'
import type { Refusals } from '../refusals.ts'
import type { Refused, Request, RequestId } from '../reply.ts'
import type { Clock } from '../time/clock.ts'

/** What the access of all connections shares. */
export interface AccessPorts {
  readonly identity: Pick<Identity, 'renew'>
  readonly clock: Pick<Clock, 'now' | 'awake'>
  /** How long a connection may outlive its token, in ms. */
  readonly expiredGraceMs: number
  readonly log: Pick<Log, 'limited'>
  readonly refusals: Refusals
}

/** The connection of an access. */
export interface AccessOwner {
  reply(message: ServerMessage): void
  refuse(refused: Refused): void
  /** Lets later requests wait for a promise, for a limited time, and then calls `done`. */
  holdLater<Value>(pending: Promise<Value>, done: (value: Value) => void): void
  /** The connection continues with another grant. The user has the name that the grant gives. */
  renewed(username: string | undefined): void
}

/** The result of a check. In a refusal, `rule` says what is wrong with the token. */
type Checked =
  | { readonly state: 'good'; readonly grant: Grant }
  | { readonly state: 'refused'; readonly rule: string; readonly text: string }
  | { readonly state: 'unavailable'; readonly text: string }

/** After how long a client may try again to renew its token, in ms. */
const RETRY_AFTER_MS = 1_000

/**
 * What one connection may do, and until when.
 *
 * The wall clock is read only when a grant arrives. From then on, the remaining time is measured in awake time: a jump
 * of the wall clock ends no connection, and after a suspension the clients have time to renew their tokens.
 */
export class Access {
  readonly #ports: AccessPorts
  readonly #owner: AccessOwner
  #grant: Grant
  #endsAt: number
  /** Whether a new token is being checked. */
  #isChecking = false

  constructor(ports: AccessPorts, grant: Grant, owner: AccessOwner) {
    this.#ports = ports
    this.#owner = owner
    this.#grant = grant
    this.#endsAt = this.#endOf(grant)
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

  /** Checks a new token, and continues with it if it is good. One token is checked at a time. */
  refresh({ token, id }: Request<'refresh'>): void {
    if (this.#isChecking) {
      const text = 'an earlier token is still being checked'
      return this.#owner.refuse({ code: 'too_fast', text, id, retryAfterMs: RETRY_AFTER_MS })
    }
    const identified = this.#ports.identity.renew(token)
    if (!(identified instanceof Promise)) return this.#answer(this.#judge(identified), id)
    this.#isChecking = true
    this.#owner.holdLater(identified, identified => {
      this.#isChecking = false
      this.#answer(this.#judge(identified), id)
    })
  }

  #answer(checked: Checked, id: RequestId): void {
    switch (checked.state) {
      case 'good':
        return this.#accept(checked.grant, id)
      case 'refused':
        this.#report(checked.rule, checked.text)
        return this.#owner.refuse({ code: 'bad_token', text: checked.text, id })
      case 'unavailable': {
        const { text } = checked
        return this.#owner.refuse({ code: 'unavailable', text, id, retryAfterMs: RETRY_AFTER_MS })
      }
    }
  }

  #accept(grant: Grant, id: RequestId): void {
    this.#grant = grant
    this.#endsAt = this.#endOf(grant)
    this.#owner.renewed(grant.username)
    this.#owner.reply({ type: 'ack', id })
  }

  #report(rule: string, reason: string): void {
    const { log, refusals } = this.#ports
    refusals.count('AUTH')
    const fields = { rule, reason, userId: this.#grant.userId }
    log.limited('refresh', 'a new token for a connection was refused', fields)
  }

  #judge(identified: Identified): Checked {
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

  #compare(grant: Grant): Checked {
    const refused = (text: string): Checked => ({ state: 'refused', rule: 'claim', text })
    if (grant.userId !== this.#grant.userId) return refused('the token is of another user: connect again')
    // An observer has no session, so it can't become a user who is present, nor the reverse.
    if (grant.rights.observer !== this.isObserver) {
      return refused('the token has another "observer" than this connection: connect again')
    }
    return { state: 'good', grant }
  }

  #endOf({ expiresAt }: Grant): number {
    if (expiresAt === undefined) return Number.POSITIVE_INFINITY
    const { clock, expiredGraceMs } = this.#ports
    return clock.awake() + (expiresAt - clock.now()) + expiredGraceMs
  }
}
