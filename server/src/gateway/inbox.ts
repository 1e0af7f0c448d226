import type { UserId } from '@who-is-online/protocol/words'
import type { WebSocket } from 'ws'
import { type Served, serve } from '../fanout/served.ts'
import type { Refusals } from '../refusals.ts'
import type { Clock } from '../time/clock.ts'
import type { Debts } from './debts.ts'
import type { Beating } from './heartbeat.ts'
import { LaterCalls } from './later-calls.ts'
import { LaterStart } from './later-start.ts'
import type { LimitOptions } from './limits.ts'
import { type Line, lineOf, type MessageTurns, type Waiting } from './message-turns.ts'
import { Throttle, type ThrottleOwner, weightOfText } from './throttle.ts'

// The only module that depends on how `ws` reads.

/** What all inboxes share. */
export interface InboxPorts {
  readonly clock: Pick<Clock, 'awake' | 'steady'>
  readonly limits: Pick<LimitOptions, 'messages'>
  /** The inboxes that are not read, or that hold messages. They must be advanced. */
  readonly tooFast: Set<Inbox>
  /** The turns of the inboxes whose messages wait for time. */
  readonly messageTurns: MessageTurns
  readonly debts: Debts
  readonly refusals: Refusals
}

/** The connection of an inbox. */
export interface InboxOwner extends Beating, Served {
  /** Records a sign of life. */
  beat(): void
  handleText(text: string): void
  handlePing(payload: Buffer): void
  /** Tells the client that its messages wait. */
  tellTooFast(): void
  /** Ends the connection of a client that has sent too fast for too long. */
  sentTooMuch(): void
}

/**
 * How long messages wait for an earlier one that is not done, in ms of awake time. A client is not read meanwhile, so
 * its close is noticed late, and others must see a user who leaves as offline within a second.
 */
const HOLD_MS = 250

/** A text, the payload of a ping, or a pong that was not asked for. */
type Incoming = string | Buffer | undefined

/**
 * What one client sends: texts, pings and pongs, which all count as messages. It hands them to its owner as fast as
 * the limit allows. `Throttle` has the rules.
 */
export class Inbox implements ThrottleOwner<Incoming>, Waiting {
  readonly #ports: InboxPorts
  readonly #webSocket: WebSocket
  readonly #owner: InboxOwner
  readonly #debtor: UserId | undefined
  readonly #line: Line
  readonly #throttle: Throttle<Incoming>
  /** When a message last counted as a sign of life, in `Clock.steady` time. */
  #beatAt = Number.NEGATIVE_INFINITY
  /** Whether the client has not answered our last ping. */
  #isPinged = false
  /** What the messages wait for, or have waited for last. */
  #heldFor: Promise<unknown> | undefined
  readonly #laterCalls = new LaterCalls()
  /** What the first messages wait for. */
  #start: LaterStart | undefined
  /** Whether messages wait for a turn. Then the throttle is held for it. */
  #isInLine = false
  /** What to do when no message waits for a turn any more. */
  #afterTurns: (() => void) | undefined
  #isOver = false
  /** What has arrived after the end, in messages. */
  #dropped = 0

  /**
   * @param debtor the user whose debt it takes over and leaves; `undefined` for none
   * @param address the address of the client, if limits per address may count it
   */
  constructor(
    ports: InboxPorts,
    webSocket: WebSocket,
    owner: InboxOwner,
    debtor: UserId | undefined,
    address?: string,
  ) {
    this.#ports = ports
    this.#webSocket = webSocket
    this.#owner = owner
    this.#debtor = debtor
    this.#line = lineOf(debtor, address) ?? this
    const debt = debtor === undefined ? 0 : ports.debts.of(debtor)
    this.#throttle = new Throttle(ports.limits.messages, this, debt)
  }

  /** Reads nothing for now, if the user has a debt. */
  start(): void {
    this.#throttle.start(this.#ports.clock.steady())
  }

  /**
   * Lets all messages wait until a promise resolves, which never rejects, but no longer than `HOLD_MS`. Then calls
   * `begin`, before the first message is handed over, unless the connection has ended meanwhile. `isInTime` is whether
   * the promise has resolved.
   */
  startLater(pending: Promise<void>, begin: (isInTime: boolean) => void): void {
    const { clock } = this.#ports
    const until = clock.awake() + HOLD_MS
    this.start()
    this.#throttle.hold(until)
    this.#start = new LaterStart(pending, until, isInTime =>
      serve(this.#owner, () => {
        this.#start = undefined
        this.#throttle.release()
        begin(isInTime)
        this.#advance(clock.awake())
      }),
    )
  }

  text(text: string): void {
    this.#take(text, weightOfText(text))
  }

  ping(payload: Buffer): void {
    this.#take(payload, 1)
  }

  /** A pong. It is free if it answers our ping. */
  pong(): void {
    if (this.#isPinged) this.#owner.beat()
    else this.#take(undefined, 1)
    this.#isPinged = false
  }

  /** Counts a message that has no effect. */
  ignored(): void {
    this.#take(undefined, 1)
  }

  /** The next pong answers a ping of ours. */
  pinged(): void {
    this.#isPinged = true
  }

  /** Counts the last message as `more` messages more, because of its reply. */
  charge(more: number): void {
    this.#throttle.charge(this.#ports.clock.steady(), more)
  }

  /** Handles the messages that are due. A client that is not read can't answer a ping, so it counts as heard. */
  advance(awake: number): void {
    this.#owner.heardAt = awake
    serve(this.#owner, () => this.#advance(awake))
  }

  /** Handles the oldest message, and more if nobody else waits. */
  turn(): void {
    const { clock } = this.#ports
    this.#isInLine = false
    this.#throttle.release()
    this.#throttle.advance(clock.steady(), clock.awake())
    if (!this.#isInLine) this.#hadTurns()
  }

  /**
   * Calls `done` when no message waits for a turn any more: now, after the last turn, or at the end. Messages that wait
   * for another reason are not waited for. While some wait, only the first call counts.
   */
  afterTurns(done: () => void): void {
    if (!this.#isInLine) return done()
    this.#afterTurns ??= done
  }

  /**
   * Lets later messages wait until a promise resolves, but no longer than `HOLD_MS`. Then calls `done`, before the
   * messages that have waited are handed over, unless the connection has ended meanwhile.
   */
  hold<Value>(pending: Promise<Value>, done: (value: Value) => void): void {
    const { clock } = this.#ports
    const until = clock.awake() + HOLD_MS
    this.#throttle.hold(until)
    this.#heldFor = pending
    this.whenDone(pending, value => {
      done(value)
      // A later message may hold the inbox by now, if this one took too long.
      if (this.#heldFor !== pending) return
      this.#throttle.release()
      this.#advance(clock.awake())
    })
  }

  /** Calls `done` when a promise resolves, unless the connection has ended meanwhile. Messages do not wait for it. */
  whenDone<Value>(pending: Promise<Value>, done: (value: Value) => void): void {
    this.#laterCalls.when(pending, done, error => this.#owner.fail(error))
  }

  /**
   * Hands over nothing more, and leaves the debt to the next connection of the user. Reads again, and drops what
   * arrives: if the client's close frame were not read, the close would wait for its timeout.
   */
  end(): void {
    const { isStopped } = this.#throttle
    this.#isOver = true
    this.#start?.cancel()
    this.#laterCalls.drop()
    this.#heldFor = undefined
    this.#isInLine = false
    this.#ports.messageTurns.leave(this.#line, this)
    this.#ports.tooFast.delete(this)
    const now = this.#ports.clock.steady()
    const debt = this.#throttle.debtAt(now)
    if (debt !== undefined && this.#debtor !== undefined) this.#ports.debts.add(this.#debtor, debt, now)
    this.#throttle.end()
    if (isStopped) this.#webSocket.resume()
    this.#hadTurns()
  }

  /**
   * Stops reading for good. `ws` parses all frames of a read, even after `pause`, so the frames that it has not
   * parsed yet are dropped.
   */
  stopForGood(): void {
    const { _receiver: receiver } = this.#webSocket as WebSocket & {
      _receiver?: { _buffers: Buffer[]; _bufferedBytes: number }
    }
    this.#webSocket.pause()
    if (!receiver) return
    receiver._buffers = []
    receiver._bufferedBytes = 0
  }

  handle(incoming: Incoming): void {
    if (typeof incoming === 'string') this.#owner.handleText(incoming)
    else if (incoming) this.#owner.handlePing(incoming)
    if (!this.#throttle.isWaiting || this.#throttle.isHeld) return
    if (!this.#ports.messageTurns.hasTime(this.#ports.clock.steady())) this.#waitForTurn()
  }

  /** A bug in one of its turns. */
  fail(error: unknown): void {
    this.#owner.fail(error)
  }

  stopReading(): void {
    this.#webSocket.pause()
    this.#ports.tooFast.add(this)
  }

  readAgain(): void {
    this.#ports.tooFast.delete(this)
    this.#webSocket.resume()
  }

  tellTooFast(): void {
    this.#owner.tellTooFast()
  }

  sentTooMuch(): void {
    this.#owner.sentTooMuch()
    this.stopForGood()
  }

  #take(incoming: Incoming, weight: number): void {
    // Read the clock once per message: for small requests, this is a measurable part of the cost.
    const now = this.#ports.clock.steady()
    if (this.#isOver) {
      // What a client sends after the end has no effect, but reading it takes time. Most send little: what was on its
      // way, and a close frame. After a burst of messages, the close waits for its timeout instead.
      this.#dropped += weight
      if (this.#dropped > this.#ports.limits.messages.burst) this.stopForGood()
      return
    }
    // Timestamps are in ms, so one sign of life per ms is enough.
    if (now - this.#beatAt >= 1) {
      this.#beatAt = now
      this.#owner.beat()
    }
    if (!this.#ports.messageTurns.hasTime(now) && this.#throttle.admits(now)) this.#waitForTurn()
    if (this.#throttle.take(now, weight)) return this.handle(incoming)
    if (!this.#throttle.isHeld) this.#ports.refusals.count('MESSAGES_PER_SECOND')
    this.#throttle.delay(incoming, weight, now, this.#ports.clock.awake())
  }

  #advance(awake: number): void {
    if (this.#start?.isDue(awake)) return this.#start.begin(false)
    const now = this.#ports.clock.steady()
    if (this.#throttle.isDue(now, awake) && !this.#ports.messageTurns.hasTime(now)) this.#waitForTurn()
    else this.#throttle.advance(now, awake)
  }

  #waitForTurn(): void {
    this.#isInLine = true
    this.#throttle.hold(Number.POSITIVE_INFINITY)
    this.#ports.messageTurns.wait(this.#line, this)
  }

  #hadTurns(): void {
    const done = this.#afterTurns
    this.#afterTurns = undefined
    done?.()
  }
}
