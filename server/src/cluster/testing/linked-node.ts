import type { UserId } from '@who-is-online/protocol/words'
import type { UserPart } from '../../presence/user-part.ts'
import type { Host, MemberEvent, UserItems } from '../command.ts'
import type { NodeId, RegisterKey } from '../entry.ts'
import { Fold } from '../fold.ts'
import { Member } from '../member.ts'
import type { RedisConnection } from '../redis.ts'
import { type RedisFailure, RedisLink } from '../redis-link.ts'
import { NO_PART } from './unknown-user.ts'

/** A member with its link, and a host that is as simple as possible. */
export class LinkedNode implements Host {
  readonly id: NodeId
  readonly member: Member
  readonly link: RedisLink
  readonly fold = new Fold()
  readonly events: MemberEvent[] = []
  readonly failures: RedisFailure[] = []
  readonly #users = new Map<UserId, number>()

  constructor(id: NodeId, connect: () => Promise<RedisConnection>) {
    this.id = id
    this.member = new Member({ node: id, about: { name: id, version: '1.0.0' } }, this)
    this.link = new RedisLink({
      member: this.member,
      node: id,
      connect,
      now: () => performance.now(),
      report: failure => this.failures.push(failure),
    })
  }

  /** Opens a session of a user on this node. */
  open(userId: UserId): void {
    this.#users.set(userId, Date.now())
    this.link.changed({ users: [userId] })
  }

  /** The users of another node, as this node knows them. */
  usersOf(node: NodeId): UserId[] {
    return [...this.fold.facts(node).keys()].sort()
  }

  /** How often something has happened. */
  count(what: MemberEvent['what']): number {
    return this.events.filter(event => event.what === what).length
  }

  compose(userId: UserId): UserItems {
    const at = this.#users.get(userId)
    const content = at === undefined ? null : ({ p: 1, n: 1, h: at, s: { [`tab-${at}`]: at } } as const)
    return { fact: [userId, content, 'opened'], registers: [] }
  }

  asked(): undefined {}

  answer(): UserPart {
    return NO_PART
  }

  register(key: RegisterKey): string | undefined {
    return this.fold.register(key)
  }

  refusal(): undefined {}

  users(): Iterable<UserId> {
    return this.#users.keys()
  }

  hasLeases(): boolean {
    return false
  }

  unrepeatedRegisters(): Iterable<RegisterKey> {
    return this.fold.unrepeated()
  }

  happened(event: MemberEvent): void {
    this.events.push(event)
    if (event.what === 'entry') this.fold.apply(event.entry)
    if (event.what === 'epoch') this.fold.beginEpoch()
    if (event.what === 'loaded') this.fold.load(event.loaded, Date.now())
  }
}
