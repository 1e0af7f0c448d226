import type { UserId } from '@who-is-online/protocol/words'
import type { Choice } from '../../presence/choice.ts'
import type { Truth } from './oracle/truth.ts'
import { OPEN_USERS, type SimulatedCluster, USERS } from './simulated-cluster.ts'
import type { Session, SimulatedNode } from './simulated-node.ts'

/** When users begin to act. The nodes are ready then. */
const FIRST_MS = 8_000

/** What users do, some of it more often. */
const ACTS = [
  'open',
  'open',
  'open',
  'leave',
  'leave',
  'lose',
  'lose',
  'move',
  'move',
  'same session',
  'choose',
  'choose',
  'choose',
  'choose',
  'flicker',
  'idle',
  'active',
  'name',
  'kick',
] as const
/** Of the choices of a user who hides. */
const HIDDEN_TOO = ['offline', 'offline', 'offline'] as const

/** What users do. The truth is told of their choices and names, and whose sessions must end. */
export class Acts {
  readonly #cluster: SimulatedCluster
  readonly #truth: Truth
  #sessionCount = 0
  #textCount = 0

  constructor(cluster: SimulatedCluster, truth: Truth) {
    this.#cluster = cluster
    this.#truth = truth
  }

  start(): void {
    this.#cluster.time.after(FIRST_MS, () => this.#act())
  }

  /** A user whose node is gone connects to another node, or gives up. */
  comeBack(userId: UserId): void {
    const { time, random } = this.#cluster
    if (random.chance(0.2)) return
    const attempt = () => {
      const nodes = this.#cluster.open()
      if (nodes.length > 0) this.#open(userId, random.pick(nodes))
      else time.after(500, attempt)
    }
    time.after(random.between(100, 2_000), attempt)
  }

  #act(): void {
    const { time, random, isBusy } = this.#cluster
    if (!isBusy) return
    this.#actOnce()
    time.after(random.between(20, 700), () => this.#act())
  }

  #actOnce(): void {
    const cluster = this.#cluster
    const { time, random } = cluster
    const nodes = cluster.open()
    if (nodes.length === 0) return
    const act = random.pick(ACTS)
    const live = this.#live()
    if (act === 'open' || live.length === 0) {
      this.#open(random.pick(USERS), random.pick(nodes))
      return
    }
    const session = random.pick(live)
    switch (act) {
      case 'leave':
        this.#leave(session)
        break
      case 'lose':
        cluster.note(`${session.id} of ${session.userId} is lost on ${session.node.id}`)
        session.node.lose(session)
        if (random.chance(0.5)) time.after(random.between(50, 7_000), () => this.#reconnect(session))
        break
      case 'move':
        this.#move(session, random.pick(nodes))
        break
      case 'same session':
        this.#open(session.userId, random.pick(nodes), { id: session.id })
        break
      case 'choose':
        this.#choose(session)
        break
      case 'flicker':
        this.#flicker(session.userId)
        break
      case 'idle':
      case 'active':
        cluster.note(`${session.id} of ${session.userId} is ${act} on ${session.node.id}`)
        session.node.setActivity(session, act)
        break
      case 'name':
        this.#rename(session)
        break
      case 'kick':
        this.#kick(session.userId, random.pick(nodes))
    }
  }

  /** The sessions with a connection, on nodes that run. */
  #live(): Session[] {
    const running = this.#cluster.running()
    return [...this.#cluster.sessions].filter(
      ({ node, isOver, isHeld }) => !isOver && !isHeld && running.includes(node),
    )
  }

  // Sessions

  /** Opens a session, or continues the one with this id. `placed` is called when all see it. */
  #open(
    userId: UserId,
    node: SimulatedNode,
    { id = `s${++this.#sessionCount}`, placed = () => {} } = {},
  ): void {
    const session: Session = {
      id,
      userId,
      node,
      openedAt: 0,
      isHeld: false,
      isOver: false,
      placedAt: Number.POSITIVE_INFINITY,
    }
    this.#cluster.note(`${id} of ${userId} opens on ${node.id}`)
    this.#cluster.sessions.add(session)
    this.#cluster.newest.set(id, session)
    this.#truth.endsUnknown(userId, node)
    node.open(session, placed)
  }

  #leave(session: Session): void {
    if (session.isOver || session.isHeld) return
    this.#cluster.note(`${session.id} of ${session.userId} leaves ${session.node.id}`)
    session.node.leave(session)
  }

  /** The client of a lost session connects again, with the same session. */
  #reconnect({ userId, id }: Session): void {
    const nodes = this.#cluster.open()
    if (nodes.length > 0) this.#open(userId, this.#cluster.random.pick(nodes), { id })
  }

  /** The client connects to another node, and leaves the first one when it is welcomed: after 250 ms at most. */
  #move(session: Session, node: SimulatedNode): void {
    const { time, random } = this.#cluster
    const leave = () => session.node.link.after(random.between(0, 20), () => this.#leave(session))
    this.#open(session.userId, node, { placed: leave })
    time.after(250, leave)
  }

  /** All sessions of a user end. */
  #kick(userId: UserId, node: SimulatedNode): void {
    this.#cluster.note(`${node.id} is asked to end the sessions of ${userId}`)
    const placed = this.#truth.kicks.made(userId)
    this.#truth.choices.kicked(userId)
    node.kick(userId, () => {
      placed()
      // A node that has not read it yet still has sessions, but the others have ended the choice.
      this.#truth.choices.forget(userId)
    })
  }

  // Choices and names

  #choose(session: Session): void {
    const { random, redis } = this.#cluster
    const mayHide = !OPEN_USERS.includes(session.userId)
    const status = random.pick([...(mayHide ? HIDDEN_TOO : []), 'online', 'busy', 'away'] as const)
    const text = status !== 'offline' && random.chance(0.4) ? `text ${++this.#textCount}` : undefined
    const expiresAt = random.chance(0.3) ? redis.rightClock + random.between(500, 15_000) : undefined
    this.#take(session, { status, text, expiresAt })
  }

  #take(session: Session, choice: Choice): void {
    const { userId, node } = session
    this.#cluster.note(`${session.id} of ${userId} chooses ${JSON.stringify(choice)} on ${node.id}`)
    const placed = this.#truth.choices.made(userId, choice, node)
    node.choose(session, choice, () => placed(this.#cluster.nodes))
  }

  /** A user changes the status often, on all devices. */
  #flicker(userId: UserId): void {
    const { time, random } = this.#cluster
    for (let count = 0; count < 12; count++) {
      time.after(count * 150, () => {
        const own = this.#live().filter(one => one.userId === userId)
        if (own.length > 0) this.#take(random.pick(own), { status: random.pick(['online', 'busy', 'away']) })
      })
    }
  }

  #rename({ userId, node }: Session): void {
    const username = `name ${++this.#textCount}`
    this.#truth.names.set(userId, username)
    this.#cluster.note(`${node.id} names ${userId} ${username}`)
    node.rename(userId, username)
  }
}
