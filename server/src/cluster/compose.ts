import type { UserId } from '@who-is-online/protocol/words'
import { type Choice, isHide, isPlain, isSameChoice, NO_CHOICE } from '../presence/choice.ts'
import { type Cause, type Fact, presenceOf, type Said } from '../presence/fact.ts'
import { type KnownChoice, NO_SESSION_YET, type PresentUser } from '../presence/present-user.ts'
import type { UserItems } from './command.ts'
import type { NodeFact, NodeId, RegisterItem, RegisterKey } from './entry.ts'
import type { Fold } from './fold.ts'
import { leaseFields } from './leases.ts'
import { joinValue, type RegisterKind, splitValue } from './registers.ts'

export const KINDS = ['c', 'v', 'n', 's'] as const

/** Stands for the node in a `lastSeen` that other nodes have heard: no node may replace it by less. */
const OTHERS: NodeId = ''

/** What {@link compose} reads. */
export interface ComposePort {
  readonly node: NodeId
  /** What this node knows of a user now. */
  present(userId: UserId): PresentUser
  readonly fold: Pick<
    Fold,
    'of' | 'fact' | 'register' | 'isRepeated' | 'chosen' | 'signOfLife' | 'isElsewhere'
  >
  /**
   * The greatest value of a register that this node has appended, or may have appended, and not read back yet. While
   * there is one, the register is said again, because it is not known which value the log has.
   */
  unread(key: RegisterKey): string | undefined
  /** Whether this node has composed a fact of the user that was not read back yet. */
  wasSaid(userId: UserId): boolean
  /** When the choice to be hidden was made with which the user was on this node last; `undefined` without one. */
  hidAt(userId: UserId): number | undefined
  /** The present time, in ms since the epoch by the clock of Redis. */
  time(): number
  /** Whether a user who hides, and has no session since this time, may be visible on returning. */
  isOver(keptSince: number): boolean
  /** Whether a user is being erased: then nothing is kept, not even the choice to be hidden. */
  isErased(userId: UserId): boolean
}

/** A name that this node has decided. */
export interface Renamed {
  /** When it was decided, in ms since the epoch by the clock of Redis. */
  readonly at: number
  /** The stamp of the name that it replaces. A name that another node has said later than that and `at` is newer. */
  readonly over: number
}

/** What has changed of a user. */
export interface ChangedUser {
  /** The newest fact that was decided; `undefined` if only sessions have changed. */
  readonly fact: Fact | undefined
  /** Set if this node decides the name. Otherwise it must not replace a name that another node has said meanwhile. */
  readonly renamed: Renamed | undefined
  /**
   * When that was decided, in ms since the epoch by the clock of Redis. It is the time of the stamps of name and
   * `lastSeen`. That of a choice is the time when it was made, so an older choice that reaches the log late, or ends,
   * does not replace a newer one.
   */
  readonly at: number
}

/**
 * Composes what a node says about one user, from the present state. So a batch whose outcome is unknown is composed
 * again, and then says what is true now.
 *
 * Of a user who is not here and is known it says only `lastSeen`. That is how the last signs of life are kept of users
 * whose node is lost: its facts are dropped with the entry `lost`.
 *
 * @param isAssertion whether registers are repeated that the log had already: it may have lost them
 */
export function composeUser(
  userId: UserId,
  { fact, renamed, at }: ChangedUser,
  port: ComposePort,
  isAssertion = false,
): UserItems {
  const user = port.present(userId)
  const registers: RegisterItem[] = []
  // In a new epoch, Redis may not have what others show of the user. The node may be gone before that is written back.
  const keys = KINDS.map(kind => `${kind}:${userId}` as const)
  // What this node has said itself, and not read yet, is newer.
  const isLost = (key: RegisterKey) => !port.fold.isRepeated(key) && port.unread(key) === undefined
  const repeated = new Set<RegisterKey>(keys.filter(key => isAssertion || isLost(key)))
  let isChosen = false
  for (const [key, json] of contentsOf(userId, user, { renamed, at }, port)) {
    // A choice that was made again is shown again, with its stamp: an older one must not replace it.
    const isAgain = isChosen && key.startsWith('v:')
    // What a node that is behind says late must not win against what others have said meanwhile. Forgetting replaces
    // only what this node knows.
    const times = {
      c: user.madeAt,
      v: user.madeAt,
      n: renamed?.at ?? at,
      s: Number(json) || at,
    } satisfies Record<RegisterKind, number>
    const stamp = json === 'null' ? 0 : times[key[0] as RegisterKind]
    const isHeard = key.startsWith('s:') && Number(json) > (user.lastSeen ?? 0)
    const register = registerOf(key, json, stamp, isHeard ? { ...port, node: OTHERS } : port, isAgain)
    if (!register) continue
    if (key.startsWith('c:')) isChosen = isSameChoice(user.choice, user.said.choice)
    registers.push(register)
    repeated.delete(key)
  }
  for (const key of repeated) {
    const value = port.fold.register(key)
    if (value !== undefined) registers.push([key, value])
  }
  const isSaid = user.isHere || port.wasSaid(userId) || port.fold.fact(port.node, userId) !== undefined
  return {
    fact: isSaid ? [userId, factOf(user, port.time()), fact?.cause ?? usualCause(user.said)] : undefined,
    registers,
  }
}

function factOf(user: PresentUser, now: number): NodeFact | null {
  const { said, choice, connections, sessions, lastSeen, isHere, isLookedAt, idleSince } = user
  if (!isHere) return null
  const p = said.sessions === 'none' ? 0 : said.sessions === 'active' ? 1 : 2
  const v = isLookedAt ? 1 : 0
  // Nobody may learn later what a user did while hidden.
  const hides = choice.status === 'offline' || said.choice.status === 'offline'
  const i = idleSince === undefined ? {} : { i: hides ? 0 : idleSince }
  const leases = leaseFields(user, now, hides)
  return { p, n: connections, h: lastSeen ?? 0, s: sessions, v, ...i, ...leases }
}

/**
 * What the registers of a user should contain, as JSON. The registers that are left out may contain anything, because
 * this node does not decide them.
 */
function contentsOf(
  userId: UserId,
  user: PresentUser,
  { renamed, at }: Pick<ChangedUser, 'renamed' | 'at'>,
  port: ComposePort,
): [RegisterKey, string][] {
  const { said, choice, madeAt, lastSeen, username, isVisible } = user
  const known = port.fold.chosen(userId)
  const isGone = !user.isHere && !port.fold.isElsewhere(userId, port.node)
  const decides = decidesChoice(userId, user, at, port)
  const isHideKept = known !== undefined && isHide(known.choice) && !isOver(known, port)
  const isKept = isGone && !decides && isHideKept && !port.isErased(userId)
  const hasNothing = lastSeen === undefined && madeAt === 0 && isPlain(choice)
  // A user whom nobody knows any more has no registers.
  if (isGone && hasNothing && !isKept) {
    // What another node has said ahead of a user who has not come is not in the way of forgetting.
    const isAhead = !decides && isAheadOfOther(userId, known, port)
    const kinds = isAhead ? (['n', 's'] as const) : KINDS
    return kinds.map(kind => [`${kind}:${userId}`, 'null'])
  }
  const contents: [RegisterKey, string][] = []
  if (decides) {
    const isKeptHere = !user.isHere && isHide(choice)
    const since = user.isSetAhead ? NO_SESSION_YET : undefined
    const keptSince = since ?? (isKeptHere ? keptSinceOf(user, known, port) : undefined)
    contents.push([`c:${userId}`, choiceJson(choice, madeAt, keptSince)])
  } else if (isKept && known.keptSince === undefined) {
    // The node that had the user is gone, and nobody has said since when.
    contents.push([`c:${userId}`, choiceJson(known.choice, known.madeAt, port.time())])
  }
  // While this node shows no session, it does not decide what others see. Neither does it if it has not taken a newer
  // choice, by which the user may hide: a node that stops takes none any more.
  const isCurrent = decides || isSameChoice(choice, port.fold.chosen(userId)?.choice ?? NO_CHOICE)
  if (said.sessions !== 'none' && isCurrent) contents.push([`v:${userId}`, choiceJson(said.choice)])
  // A node that reads late may say first that the user has come. Others must not see a user who is hidden.
  const isHidden = decides && user.isSetAhead && choice.status === 'offline'
  if (said.sessions === 'none' && isHidden) contents.push([`v:${userId}`, choiceJson(choice)])
  if (lastSeen === undefined) {
    // Others have never seen the user, or the user was forgotten. Another node that has the user decides it.
    if (user.isHere || isGone) contents.push([`n:${userId}`, 'null'], [`s:${userId}`, 'null'])
    return contents
  }
  if (renamed && !isNewerKnown(userId, renamed, port))
    contents.push([`n:${userId}`, JSON.stringify(username ?? null)])
  // Of a visible user only the first time is said: others know the user, even if this node is lost at once.
  const isFirst = port.unread(`s:${userId}`) !== undefined || contentOf(`s:${userId}`, port.fold) === 'null'
  if (isFirst || !isVisible)
    contents.push([`s:${userId}`, JSON.stringify(lastSeenOf(userId, lastSeen, port))])
  return contents
}

/** Whether another node has said a name after this node had decided one, which may have been cut from the others. */
function isNewerKnown(userId: UserId, { at, over }: Renamed, { node, fold }: ComposePort): boolean {
  const known = splitValue(fold.register(`n:${userId}`))
  return known !== undefined && known.node !== node && known.stamp > Math.max(at, over)
}

/**
 * Whether this node knows a newer choice than the log. It also ends a choice: one that it wrote, or the choice to be
 * hidden of a user who has left the last session in the cluster here, if the user had that choice here, and it was not
 * kept after that. While the user is on another node, it ends none: a hidden user stays hidden.
 */
function decidesChoice(
  userId: UserId,
  { isHere, madeAt, choice, isSetAhead }: PresentUser,
  at: number,
  port: ComposePort,
): boolean {
  const { node, fold, wasSaid } = port
  const known = fold.chosen(userId)
  const isNewest = madeAt >= (known?.madeAt ?? 0)
  const isOwn = splitValue(fold.register(`c:${userId}`))?.node === node
  // Without an end, it counts only while another node has the user: a choice does not outlive the sessions. If the
  // clock was set back, the later of two choices of this node has the earlier time.
  if (isSetAhead)
    return (isNewest || isOwn) && (choice.expiresAt !== undefined || fold.isElsewhere(userId, node))
  if (isHere && isNewest) return true
  // That a hidden user is kept is said even if another node has the user: that may be over, and be told later.
  if (!isHere && madeAt > 0 && isHide(choice)) return isNewest
  if (fold.isElsewhere(userId, node)) return false
  if (isHere) return isOwn
  // Of a user who was lost, this node keeps at least the time of the choice for a while. After that, and of one who has
  // left, it keeps nothing.
  if (madeAt > 0) return isNewest
  if (isOwn && known && (!isHide(known.choice) || isOver(known, port))) return true
  const hasLeft = wasSaid(userId) || fold.fact(node, userId) !== undefined
  return hasLeft && (known?.madeAt ?? 0) <= (port.hidAt(userId) ?? 0) && (known?.keptSince ?? 0) <= at
}

/** Whether another node keeps a choice that applies when the user comes. Only that node, or its end, ends it. */
function isAheadOfOther(userId: UserId, known: KnownChoice | undefined, port: ComposePort): boolean {
  if (known?.keptSince !== NO_SESSION_YET || port.isErased(userId)) return false
  const isOther = splitValue(port.fold.register(`c:${userId}`))?.node !== port.node
  return isOther && known.choice.expiresAt !== undefined && known.choice.expiresAt > port.time()
}

function isOver({ keptSince }: KnownChoice, port: ComposePort): boolean {
  return keptSince === NO_SESSION_YET || (keptSince !== undefined && port.isOver(keptSince))
}

/**
 * Since when this choice of a user who is gone is kept. It stays the same as long as the user does not come back. If it
 * is said late, it is kept longer: it must not end too early.
 */
function keptSinceOf({ madeAt }: PresentUser, known: KnownChoice | undefined, port: ComposePort): number {
  return known?.madeAt === madeAt && known.keptSince !== undefined ? known.keptSince : port.time()
}

/**
 * When the user was last seen on any node. A time that this node wrote is replaced: its clock may have been wrong. What
 * other nodes have heard of a user counts only up to the moment of hiding.
 */
function lastSeenOf(userId: UserId, lastSeen: number, { node, fold }: ComposePort): number {
  const key = `s:${userId}` as const
  const isVisible = presenceOf(fold.of(userId)).status !== 'offline'
  const heard = isVisible ? fold.signOfLife(userId, node) : undefined
  // While another node shows the user, that node knows less of the user than this one has written.
  const isOwn = splitValue(fold.register(key))?.node === node && heard === undefined
  const known = isOwn ? 'null' : contentOf(key, fold)
  return Math.max(lastSeen, heard ?? 0, Number(JSON.parse(known)))
}

/** A value that replaces the known one; `undefined` if the log has this content and it need not be said again. */
function registerOf(
  key: RegisterKey,
  json: string,
  at: number,
  { node, unread, fold }: Pick<ComposePort, 'node' | 'unread' | 'fold'>,
  isAgain = false,
): RegisterItem | undefined {
  const sent = splitValue(unread(key))
  if (!sent && !isAgain && json === contentOf(key, fold)) return undefined
  const known = splitValue(fold.register(key))
  if (json === 'null' && !sent && !known) return undefined
  const stamp = Math.max(at, (known?.stamp ?? 0) + 1, (sent?.stamp ?? 0) + 1)
  return [key, joinValue({ stamp, node, json })]
}

/** The content of a register in the log. Without a value, a choice is plain, and a name or a time is null. */
export function contentOf(key: RegisterKey, fold: Pick<Fold, 'register'>): string {
  const known = splitValue(fold.register(key))
  if (known) return known.json
  if (key.startsWith('c:')) return choiceJson(NO_CHOICE, 0)
  return key.startsWith('v:') ? choiceJson(NO_CHOICE) : 'null'
}

/** The content of a register of a choice; with `madeAt`, of one that was acknowledged. */
export function choiceJson({ status, text, expiresAt }: Choice, madeAt?: number, keptSince?: number): string {
  return JSON.stringify({ status, text, expiresAt, madeAt, keptSince })
}

/** The cause of a fact that should make no difference for others. */
function usualCause({ sessions }: Said): Cause {
  if (sessions === 'none') return 'left'
  return sessions
}
