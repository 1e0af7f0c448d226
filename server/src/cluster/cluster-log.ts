import type { UserId } from '@who-is-online/protocol/words'
import type { EndedSession } from '../presence/change.ts'
import type { Fact } from '../presence/fact.ts'
import type { OrphanedLeases } from '../presence/lease.ts'
import type { KnownChoice, PresentUser } from '../presence/present-user.ts'
import type { UserPart } from '../presence/user-part.ts'
import { shortened } from './answer.ts'
import type { Host, MemberEvent, UserItems } from './command.ts'
import { EndedLeases } from './ended-leases.ts'
import { Endings } from './ending.ts'
import type {
  Entry,
  EntryBody,
  FactItem,
  Loaded,
  NodeAbout,
  NodeFact,
  NodeId,
  Place,
  RegisterKey,
} from './entry.ts'
import { ErasedUsers } from './erased-users.ts'
import { type Applied, Fold } from './fold.ts'
import { forgottenHere, Leftovers, unnamedOf } from './forgotten.ts'
import { hasLeases, leasesElsewhere, orphanedLeases } from './leases.ts'
import type { Agreed, AgreedChoice, Answers, FactLog, LastSign, NamedUser, Question, Touched } from './log.ts'
import type { Member } from './member.ts'
import type { NodeEvent } from './node-state.ts'
import { OpenChoices } from './open-choices.ts'
import type { Changed } from './outbox.ts'
import { OwnSessions } from './own-sessions.ts'
import { type NodeAnswers, Questions } from './questions.ts'
import { QuietStart } from './quiet-start.ts'
import { type Refusal, RefusedUsers } from './refused-users.ts'
import { Said } from './said.ts'
import { type Placed, Unplaced } from './unplaced.ts'
import { newWaiting, type Waiting } from './waiting.ts'

/** What the log needs of the presence of this node. */
export interface NodePresence {
  /** What this node knows of a user now. */
  present(userId: UserId): PresentUser
  /** The users who have a session on this node, or whom others still see because of it. */
  usersHere(): Iterable<UserId>
  /** What this node knows of the sessions of a user. */
  part(userId: UserId): UserPart
}

/** The member of this node, and how it is told what has changed. */
export interface MemberAccess {
  readonly member: Pick<
    Member,
    'place' | 'isSettled' | 'settledSince' | 'canResumeFrom' | 'isEldest' | 'isEldestToStay' | 'isAway'
  >
  /** Tells the member what has changed. During another input it is told after that. */
  changed(changed: Changed): void
  /** The time in ms since the epoch by the clock of Redis. */
  time(): number
}

/** How a node stands that shows what all others show. */
export interface LogStanding {
  /** The last place of the log that it has read. */
  readonly place: { readonly epoch: string; readonly seq: number }
  /** Since which number it shows that. */
  readonly settledSince: number
  /** The same, or a smaller number: others have seen no change between them. */
  readonly since: number
  /** Whether this node does for all what concerns the changes. Two nodes may do so for a moment. */
  readonly isWriter: boolean
}

/** What the log tells about a member of the cluster. */
export interface LoggedNode {
  readonly id: NodeId
  readonly about: NodeAbout | undefined
  /** When it has last written, in ms since the epoch by the clock of Redis; `undefined` before anything was read. */
  readonly wroteAt: number | undefined
}

/** Stands for no user: nobody can have this id, so nothing is said of it. */
const NO_USER: { readonly userId: UserId } = { userId: '' }

const NOTHING_APPLIED: Applied = { facts: [], archived: [], forgotten: [], chose: [] }
const NOTHING_PLACED: Placed = { userIds: [], facts: [] }
const NOTHING_TOUCHED: Touched = { records: [], forgotten: [] }
const NONE: readonly never[] = []
const NOBODY: ReadonlyMap<UserId, undefined> = new Map()

/**
 * The log of facts of a node in a cluster: what the node decides is composed and given to the member, which appends it,
 * and what the member reads is folded into what others see. It does no I/O.
 */
export class ClusterLog implements FactLog, Host {
  readonly #node: NodeId
  /** Told what happens besides what is about users. */
  readonly #observe: (event: NodeEvent) => void
  readonly #fold = new Fold()
  readonly #unplaced: Unplaced
  readonly #endings: Endings
  readonly #endedLeases: EndedLeases
  readonly #questions: Questions
  readonly #leftovers: Leftovers
  /** See `ComposePort`. */
  readonly #isOver: (keptSince: number) => boolean
  readonly #abouts = new Map<NodeId, NodeAbout>()
  #access: (MemberAccess & { readonly presence: NodePresence }) | undefined
  #applied: (facts: readonly Fact[], agreed: Agreed) => void = () => {}
  /** What was read since the last place. */
  #read = nothingRead()
  /** Clients are never told a smaller number; see `RESERVED` of the place of this node. */
  #toldSeq = 0
  /** The epoch of the last entry, or of what was loaded. */
  #epoch: number | undefined
  readonly #said = new Said()
  readonly #refused = new RefusedUsers()
  readonly #openChoices: OpenChoices
  readonly #erased = new ErasedUsers()
  readonly #ownSessions: OwnSessions
  #lagMs = 0
  readonly #quiet = new QuietStart()
  /** Resolves when other nodes have the leased sessions of this node. */
  #handing: Waiting | undefined

  /**
   * @param node a random id of this process
   * @param observe told what the member has told, for the operator
   * @param keepMs for how long a user is known who does not come back, in ms
   * @param hiddenKeepMs for how long a user whose connection was lost stays hidden, in ms
   */
  constructor(
    node: NodeId,
    observe: (event: NodeEvent) => void,
    keepMs = Number.POSITIVE_INFINITY,
    hiddenKeepMs = Number.POSITIVE_INFINITY,
  ) {
    this.#leftovers = new Leftovers(this.#fold, keepMs)
    this.#endings = new Endings(node, this.#fold)
    const hasLeft = (other: NodeId) => this.#abouts.get(other)?.left !== undefined
    this.#questions = new Questions({ node, fold: this.#fold, hasLeft })
    this.#isOver = keptSince => this.#use().time() >= keptSince + hiddenKeepMs
    this.#node = node
    this.#observe = observe
    this.#openChoices = new OpenChoices({
      fold: this.#fold,
      isHere: userId => Object.keys(this.#use().presence.present(userId).sessions).length > 0,
      isUnplaced: userId => this.#unplaced.has(userId),
    })
    const ports = {
      node,
      fold: this.#fold,
      present: (userId: UserId) => this.#use().presence.present(userId),
      time: () => this.#use().time(),
    }
    this.#ownSessions = new OwnSessions({
      ...ports,
      usersHere: () => this.#use().presence.usersHere(),
      sayAgain: userId => this.#say({ users: [userId] }),
    })
    this.#endedLeases = new EndedLeases(ports)
    this.#unplaced = new Unplaced({
      ...ports,
      isOver: this.#isOver,
      isErased: userId => this.#erased.has(userId),
    })
  }

  /** Connects the member, which needs this log as its host, and the presence. Call it before anything else. */
  attach(access: MemberAccess, presence: NodePresence): void {
    this.#access = { ...access, presence }
  }

  // The port for the log of facts

  listen(applied: (facts: readonly Fact[], agreed: Agreed) => void): void {
    this.#applied = applied
  }

  append(
    facts: readonly Fact[],
    touched: Touched = NOTHING_TOUCHED,
    isAwaited = false,
  ): Promise<void> | undefined {
    const users = this.#unplaced.add(facts, touched)
    if (users.length === 0) return undefined
    const isPlaced = isAwaited ? this.#unplaced.whenPlaced(users) : undefined
    const ends = this.#endedLeases.changed(users)
    this.#say(ends.length > 0 ? { users, ends } : { users })
    return isPlaced
  }

  get hasRoom(): boolean {
    return this.#said.hasRoom
  }

  async kick(userId: UserId, refuseMs?: number): Promise<void> {
    const time = this.#use().time()
    if (refuseMs !== undefined) this.#refused.take([userId, time + refuseMs, time])
    const isRead = this.#said.whenRead(['kick', userId], time)
    this.#say({ kicks: [userId], ...(refuseMs !== undefined && { refused: [userId] }) })
    await isRead
    const { ids = NONE } = this.#fold.sessions(userId, this.#node) ?? {}
    for (const sessionId of ids) await this.#endings.wait(userId, sessionId)
  }

  async endSession({ userId, sessionId }: EndedSession): Promise<void> {
    // Always: this node may not have read the session yet.
    const isRead = this.#said.whenRead(['end', userId, sessionId], this.#use().time())
    this.#say({ ends: [[userId, sessionId]] })
    await isRead
    await this.#endings.wait(userId, sessionId)
  }

  erase(userId: UserId): Promise<void> {
    const isRead = this.#said.whenRead(['erase', userId], this.#use().time())
    this.#say({ kicks: [userId], erases: [userId] })
    return isRead
  }

  keeps(userId: UserId): boolean {
    return this.#fold.keeps(userId)
  }

  refusedMs(userId: UserId): number {
    const time = this.#use().time()
    return Math.max(this.#refused.msLeft(userId, time), this.#erased.msLeft(userId, time))
  }

  canRefuse(userId: UserId): boolean {
    return this.#refused.hasRoomFor(userId, this.#use().time())
  }

  ask(userId: UserId): Question | undefined {
    const holders = this.#fold.holders(userId, this.#node)
    // What this node knows is old, so it does not know who has the user.
    if (this.#use().member.isAway) {
      return this.#unasked([...this.#fold.members()].filter(node => node !== this.#node))
    }
    if (holders.length === 0) return undefined
    const id = this.#questions.begin(userId)
    if (id === undefined) return this.#unasked(holders)
    this.#say({ asks: [id] })
    return { answered: this.#questions.answered(id), end: () => this.#named(this.#questions.end(id)) }
  }

  whenCounts(userId: UserId, chosen: KnownChoice): Promise<boolean> {
    return this.#openChoices.add(userId, chosen)
  }

  async catchUp(): Promise<boolean> {
    if (this.#use().member.isAway) return false
    // An own entry that is composed from now on, and says nothing.
    const users = this.#unplaced.add([], { records: [NO_USER], forgotten: [] })
    const isRead = this.#unplaced.whenPlaced(users)
    this.#say({ users })
    await isRead
    return true
  }

  /**
   * Asks the other nodes to take over the leased sessions of this node.
   *
   * @returns a promise that resolves when they have; `undefined` if there are none, or no other node
   */
  handOver(): Promise<void> | undefined {
    const users = this.#ownSessions.leased()
    if (users.length === 0) return undefined
    // With the users: the others, or the next node that starts, may not know the newest renewals.
    this.#say({ users, hands: true })
    if ([...this.#fold.members()].length < 2) return undefined
    this.#handing ??= newWaiting()
    return this.#handing.promise
  }

  connectionsElsewhere(userId: UserId, except?: string): number {
    // The connections of a node that stops are about to come to other nodes.
    const counts = (node: NodeId) => node !== this.#node && this.#abouts.get(node)?.left === undefined
    return this.#fold.connections(userId, counts, except)
  }

  /** The eldest member. While it does not reach Redis, it decides nothing for others. */
  get forgetsStale(): boolean {
    const { member } = this.#use()
    return member.isEldest && member.isSettled && !member.isAway
  }

  // Queries

  /** What the other nodes know; see `Elsewhere` of presence. */
  readonly elsewhere = {
    choiceOf: (userId: UserId) => this.#fold.choiceOf(userId, this.#isOver),
    signOfLife: (userId: UserId) => this.#fold.signOfLife(userId, this.#node),
    isPresent: (userId: UserId) => this.#fold.isElsewhere(userId, this.#node),
    sessionsOf: (userId: UserId) => this.#fold.sessions(userId, this.#node),
    leasesOf: (userId: UserId, sessionId: string) => {
      const about = { userId, sessionId, except: this.#node, now: this.#use().time() }
      return leasesElsewhere(this.#fold, about, node => this.#abouts.get(node)?.left !== undefined)
    },
  }

  /**
   * The epoch that clients are told: that of the log, or one of this node alone while it may not show what all others
   * show. A client that was told the latter can't resume on another node.
   */
  get epoch(): string {
    const { member } = this.#use()
    return member.isSettled ? `${member.place?.epoch}` : this.#node
  }

  /**
   * Whether a client that was told everything up to a place of any node can continue from there on this one. A client
   * that was connected when an epoch began names the earlier one with a number of the later one. It can't continue: its
   * node may not have been settled yet, and then it has shown users of nodes that were lost. While this node is not
   * settled, its own clients can continue on it.
   */
  recalls({ epoch, seq }: { readonly epoch: string; readonly seq: number }): boolean {
    const { member } = this.#use()
    if (epoch === this.#node) return !member.isSettled
    const current = member.place?.epoch
    if (current === undefined || epoch !== String(current)) return false
    return member.canResumeFrom({ epoch: current, seq })
  }

  /** `undefined` while this node may show something else than the others. */
  get standing(): LogStanding | undefined {
    const { place, settledSince, isEldestToStay, isAway } = this.#use().member
    if (!place || !settledSince) return undefined
    const { seq } = settledSince
    const since = Math.min(seq, this.#quiet.since ?? seq)
    return {
      place: { epoch: `${place.epoch}`, seq: place.seq },
      settledSince: seq,
      since,
      isWriter: isEldestToStay && !isAway,
    }
  }

  /** The members of the cluster. */
  get nodes(): LoggedNode[] {
    return Array.from(this.#fold.members(), id => ({
      id,
      about: this.#abouts.get(id),
      wroteAt: this.#fold.wroteAt(id),
    }))
  }

  /** When this node has composed the last own entry that it has read back; see {@link LoggedNode.wroteAt}. */
  get ownWroteAt(): number | undefined {
    return this.#fold.wroteAt(this.#node)
  }

  /** The users who have a session on a node, also those who hide. */
  *usersWithSession(node: NodeId): Generator<UserId> {
    for (const [userId, { p }] of this.#fold.facts(node)) if (p > 0) yield userId
  }

  /** How old the newest entry was when it was read, in ms. */
  get lagMs(): number {
    return this.#lagMs
  }

  // The host of the member

  compose(userId: UserId, batch: number, isAssertion: boolean): UserItems {
    return this.#unplaced.compose(userId, batch, isAssertion)
  }

  asked(question: number): UserId | undefined {
    return this.#questions.userOf(question)
  }

  answer(userId: UserId): UserPart {
    return shortened(this.#use().presence.part(userId))
  }

  register(key: RegisterKey): string | undefined {
    return this.#fold.register(key) ?? this.#fold.removed(key)
  }

  refusal(userId: UserId): Refusal | undefined {
    return this.#refused.get(userId)
  }

  users(): Iterable<UserId> {
    return this.#use().presence.usersHere()
  }

  usersOf(node: NodeId): Iterable<UserId> {
    return this.#fold.facts(node).keys()
  }

  hasLeases(node: NodeId): boolean {
    return hasLeases(this.#fold, node)
  }

  unrepeatedRegisters(): Iterable<RegisterKey> {
    return this.#fold.unrepeated()
  }

  happened(event: MemberEvent): void {
    switch (event.what) {
      case 'loaded':
        this.#load(event.loaded)
        break
      case 'entry':
        this.#apply(event.entry)
        break
      case 'placed':
        this.#placed(event.batch)
        break
      case 'composed':
        return this.#said.composed(event.batch, event.at)
      case 'refused':
        this.#unplaced.refused(event.batch)
        break
      case 'reached':
        this.#reached(event.place)
        break
      case 'epoch':
        this.#epoch = event.epoch
        this.#fold.beginEpoch()
        break
      case 'beat':
        if (this.forgetsStale) this.#say({ users: this.#leftovers.next(this.#use().time()) })
        break
      case 'losing':
        this.#takeOver(event.node, true)
        break
      case 'lostMyself':
        this.#tell(nothingRead(), undefined, this.#ownSessions.lostLeases())
        break
      case 'nodeLost': {
        const about = this.#abouts.get(event.node)
        this.#abouts.delete(event.node)
        return this.#observe({ ...event, about })
      }
      case 'away':
        this.#questions.giveUp()
        break
      default:
    }
    this.#observe(event)
  }

  // Private

  #use(): MemberAccess & { readonly presence: NodePresence } {
    if (!this.#access) throw new Error('the log is used before it is attached')
    return this.#access
  }

  #say(changed: Changed): void {
    this.#use().changed(changed)
  }

  #load(loaded: Loaded): void {
    const time = this.#use().time()
    this.#quiet.loaded(loaded)
    this.#abouts.clear()
    for (const [node, about] of loaded.abouts) this.#abouts.set(node, about)
    // In the same epoch, Redis has lost nothing: what it does not have was forgotten while this node was away.
    const isWhole = loaded.epoch !== undefined && loaded.epoch === this.#epoch
    this.#epoch = loaded.epoch
    const moved = isWhole && !loaded.nodes.has(this.#node) ? this.#ownSessions.lostLeases() : []
    const applied = this.#fold.load(loaded, time, isWhole)
    for (const [node, facts] of loaded.facts) moved.push(...this.#ownSessions.movedTo(node, facts))
    this.#tell({ ...nothingRead(), applied }, loaded.end?.seq, moved, true)
    this.#endings.applied(undefined)
    this.#said.giveUp()
    this.#questions.giveUp()
  }

  /**
   * Batches up to this one were read back. Redis may answer after the entry was read. Then it is told at once: presence
   * must not take a fact for pending that this log does not know any more, or an old name would count as a new one.
   */
  #placed(batch: number): void {
    const placed = this.#unplaced.placed(batch)
    if (this.#read.entry) this.#read.placed = joined(this.#read.placed, placed)
    else this.#tell({ ...nothingRead(), placed }, undefined, [])
  }

  #apply(entry: Entry): void {
    const { node, kind, body } = entry
    this.#read.entry = entry
    if (!this.#use().member.isSettled) this.#quiet.read(entry, this.#node)
    const present = (userId: UserId) => this.#use().presence.present(userId)
    const forgotten = node === this.#node ? NOBODY : forgottenHere(entry, present)
    if (kind === 'lost' && body.subject !== undefined) this.#read.heard = this.#heardBy(body.subject)
    this.#read.applied = this.#fold.apply(entry)
    if (forgotten.size > 0) this.#say({ users: forgotten.keys() })
    this.#read.unnamed = unnamedOf(forgotten, userId => this.#fold.of(userId).username)
    this.#erased.take(body.erases ?? NONE, this.#use().time())
    this.#erased.end(this.#use().time(), userId => this.#fold.keeps(userId))
    for (const refusal of body.refusals ?? NONE) this.#refused.take(refusal)
    if (kind === 'end' && node !== this.#node) this.#repeatRefusals()
    if (body.hands && node !== this.#node && this.#use().member.isEldestToStay) this.#takeOver(node, false)
    if (body.about && (kind === 'join' || kind === 'left')) this.#abouts.set(node, body.about)
    this.#lagMs = Math.max(0, this.#use().time() - body.at)
  }

  /** Says to a node that has joined whom it must refuse. One node says it. */
  #repeatRefusals(): void {
    const refused = this.forgetsStale ? this.#refused.users(this.#use().time()) : NONE
    if (refused.length > 0) this.#say({ refused })
  }

  /** The users who must not be here: they may have come before this node knew that. */
  #refusedHere({ body }: Entry): UserId[] {
    const { presence } = this.#use()
    const userIds = (body.refusals ?? NONE).map(([userId]) => userId)
    return userIds.filter(userId => this.refusedMs(userId) > 0 && presence.present(userId).isHere)
  }

  /** This node takes over the leased sessions of a node that is lost or stops, when the entry was read. */
  #takeOver(node: NodeId, isLost: boolean): void {
    this.#read.orphaned.push(...orphanedLeases(this.#fold, node, this.#use().time(), isLost))
  }

  /** When a node has last heard of the users of this node. */
  #heardBy(node: NodeId): LastSign[] {
    const heard: LastSign[] = []
    for (const userId of this.#fold.facts(node).keys()) {
      const at = this.#fold.signOfLife(userId, this.#node)
      if (at !== undefined && this.#use().presence.present(userId).isHere) heard.push({ userId, at })
    }
    return heard
  }

  #reached({ seq }: Place): void {
    const read = this.#read
    this.#read = nothingRead()
    const { entry } = read
    const said = (entry?.body.facts ?? NONE).filter(
      (item): item is FactItem & [UserId, NodeFact] => item[1] !== null,
    )
    // Clients can resume from the end of an assertion. Other entries must not show when hidden users act.
    const isTold = read.applied.facts.length > 0 || entry?.kind === 'end' || entry?.kind === 'epoch'
    this.#tell(read, isTold ? seq : undefined, entry ? this.#ownSessions.movedTo(entry.node, said) : [])
    if (entry) this.#follow(entry)
    this.#openChoices.look()
    if (this.#handing && this.#ownSessions.leased().length === 0) this.#handing.resolve()
    if (entry?.node !== this.#node) return
    this.#said.readBack(sayingsOf(entry.body), { batch: entry.batch, at: entry.body.at })
  }

  /** Carries on what waits for an entry, and answers its questions. */
  #follow(entry: Entry): void {
    this.#endings.applied(entry)
    this.#questions.applied(entry)
    const { node, body } = entry
    if (node === this.#node || !body.asks) return
    const mine = body.asks.filter(([, userId]) => this.#fold.fact(this.#node, userId) !== undefined)
    if (mine.length > 0) this.#say({ answers: mine.map(([id, userId]) => [node, id, userId] as const) })
  }

  #unasked(nodes: readonly NodeId[]): Question {
    return { answered: Promise.resolve(), end: () => this.#named({ parts: [], missing: nodes }) }
  }

  #named({ parts, missing }: NodeAnswers): Answers {
    const nameOf = (node: NodeId) => this.#abouts.get(node)?.name ?? node
    return {
      parts: parts.map(({ node, part }) => ({ node: nameOf(node), part, isCut: part.more !== undefined })),
      missing: missing.map(nameOf),
    }
  }

  #tell(
    { applied, placed, entry, unnamed, heard, orphaned }: Read,
    seq: number | undefined,
    moved: readonly EndedSession[],
    isLoaded = false,
  ): void {
    const { facts, archived, forgotten, chose } = applied
    const choices: AgreedChoice[] = []
    for (const userId of new Set([...chose, ...placed.userIds])) {
      if (this.#unplaced.isUndecided(userId)) continue
      choices.push({ userId, shown: this.#fold.of(userId).choice, chosen: this.#fold.chosen(userId) })
    }
    const isOther = entry !== undefined && entry.node !== this.#node
    const paced = isOther ? facts.map(({ userId }) => userId) : NONE
    const kicked = entry?.body.kicks ?? NONE
    const ended = entry?.body.ends ? this.#ownSessions.ended(entry.body.ends) : NONE
    const erased = entry?.body.erases ?? NONE
    const refused = entry?.body.refusals ? this.#refusedHere(entry) : NONE
    const told = seq === undefined || seq > this.#toldSeq ? seq : this.#toldSeq + 1
    this.#toldSeq = told ?? this.#toldSeq
    const own = placed.facts
    const agoMs = entry ? this.#lagMs : 0
    this.#applied(facts, {
      own,
      archived,
      forgotten,
      unnamed,
      choices,
      moved,
      orphaned,
      kicked: refused.length > 0 ? [...new Set([...kicked, ...refused])] : kicked,
      erased,
      ended,
      heard,
      paced,
      agoMs,
      seq: told,
      isLoaded,
    })
  }
}

interface Read {
  applied: Applied
  placed: Placed
  entry: Entry | undefined
  /** See {@link Agreed}. */
  unnamed: readonly NamedUser[]
  heard: readonly LastSign[]
  readonly orphaned: OrphanedLeases[]
}

function nothingRead(): Read {
  return {
    applied: NOTHING_APPLIED,
    placed: NOTHING_PLACED,
    entry: undefined,
    unnamed: NONE,
    heard: NONE,
    orphaned: [],
  }
}

/** What an entry says for callers who wait. */
function* sayingsOf({ kicks, ends, erases }: EntryBody): Generator<readonly string[]> {
  for (const userId of kicks ?? NONE) yield ['kick', userId]
  for (const [userId, sessionId, renewedBefore] of ends ?? NONE) {
    // With a time, it is not the end that a call has asked for.
    if (renewedBefore === undefined) yield ['end', userId, sessionId]
  }
  for (const userId of erases ?? NONE) yield ['erase', userId]
}

function joined(one: Placed, other: Placed): Placed {
  if (one.userIds.length === 0) return other
  return { userIds: [...one.userIds, ...other.userIds], facts: [...one.facts, ...other.facts] }
}
