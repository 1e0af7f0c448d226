import * as CLOSE from './close.ts'
import { type ConnectionState, type Event, initialMachine, step } from './machine.ts'
import type { Credentials } from './passport.ts'
import type { Platform, WebSocketLike } from './platform.ts'
import { timer } from './timer.ts'
import type { Disconnect, Message, Request, Said, Welcome } from './wire.ts'

/** How long the server may take to answer a ping, in ms. */
export const ANSWER_MS = 8_000

/** What the link leaves to others. */
export interface Delegates {
  /** Called for every attempt. What it resolves with is called when the socket is made. */
  credentials(newSession: boolean): Promise<() => Credentials>
  /** The connection is open: now is the time to say what is to be said. */
  resume(welcome: Welcome): void
  receive(message: Message): void
  /** The connection that was open is no more. */
  lost(): void
  /** The state is another; where that is `suspended`, for these reasons. */
  changed(state: ConnectionState, why: Pick<Disconnect, 'code'> & Partial<Disconnect>): void
}

/** The connection: does what the machine says, with one socket at a time. */
export interface Link {
  readonly state: ConnectionState
  /** Whether a socket was made, with its URL, that the server has not welcomed yet. */
  readonly isDialing: boolean
  /** Says something, if the connection is open; else nothing happens. Returns the number that its reply is known by. */
  say(request: Request): number
  /** Lets something happen to the connection. */
  happen(event: Event): void
}

export function link(platform: Platform, canRenewToken: boolean, delegates: Delegates): Link {
  const beat = timer(platform)
  const due = timer(platform)
  let tasks: (() => void)[] = []
  let machine = initialMachine(canRenewToken)
  let socket: WebSocketLike | undefined
  /** Changes when a socket is left, so that what still comes from it is known. */
  let attempt = 0
  let lastId = 0
  let welcome: Welcome
  /** What the server said before it closed; or why there is no socket. */
  let farewell: Partial<Disconnect> | undefined

  function say(request: Request): number {
    const id = ++lastId
    if (machine.state === 'open') socket?.send(JSON.stringify({ ...request, id } satisfies Said))
    return id
  }

  /** One thing after the other: what a listener lets happen while something happens comes after it. */
  function inTurn(task: () => void): void {
    if (tasks.push(task) > 1) return
    for (const each of tasks) {
      try {
        each()
      } catch {
        // A socket that can't be used, or a server that talks nonsense: the line is as good as broken.
        tasks.push(() => take('abandon'))
      }
    }
    tasks = []
  }

  function happen(event: Event): void {
    inTurn(() => take(event))
  }

  function take(event: Event, closeCode: number = CLOSE.broken): void {
    const before = machine.state
    // A farewell that came is better than the word of a browser whose close frame got lost.
    const facts = { code: closeCode, retryAfterMs: 0, ...farewell, random: platform.random() }
    const [next, effect, dueMs] = step(machine, event, facts)
    machine = next
    const { state } = machine
    const isOther = state !== before
    if (isOther) {
      due.stop()
      beat.stop()
      if (state !== 'open') leave(state === 'closed' ? CLOSE.normal : CLOSE.cut)
      if (before === 'open') delegates.lost()
    }
    if (dueMs !== undefined) due.set(dueMs, () => happen('timer'))
    // The session that was replaced is another tab's.
    if (effect === 'open') void open(facts.code === CLOSE.replaced)
    if (effect === 'resume') delegates.resume(welcome)
    if (effect === 'probe') probe()
    if (isOther) delegates.changed(state, facts)
  }

  /**
   * Notices a server that is gone though the browser says that the socket is open: half-open lines stay "open" for
   * minutes. After a beat of silence it is asked, and given up when nothing at all is heard in answer. Only time after the
   * question counts, so a laptop that slept, or a tab whose timers are throttled, asks first too.
   */
  function probe(): void {
    beat.set(ANSWER_MS, () => happen('abandon'))
    say({ type: 'ping' })
  }

  async function open(newSession: boolean): Promise<void> {
    leave(CLOSE.cut)
    farewell = undefined
    const own = attempt
    // What comes from a socket that was left does not count: its close may come much later, when another one is open.
    const ifOurs = (task: () => void): void => {
      if (own === attempt) inTurn(task)
    }
    // No token to be had is as good as no network.
    let code: number = CLOSE.broken
    try {
      const credentials = await delegates.credentials(newSession)
      if (own !== attempt || !platform.WebSocket) return
      // No URL, or no subprotocol, that a WebSocket takes: it will not get better by itself.
      code = CLOSE.badIdentity
      socket = new platform.WebSocket(...credentials())
      socket.onmessage = ({ data }: { readonly data: unknown }) => ifOurs(() => receive(data))
      socket.onclose = (event: { readonly code: number }) => ifOurs(() => take('lost', event.code))
      // A close follows every error, and says more.
      socket.onerror = () => {}
    } catch (error) {
      ifOurs(() => {
        farewell = { reason: String(error) }
        take('lost', code)
      })
    }
  }

  function leave(code: number): void {
    attempt++
    socket?.close(code)
    socket = undefined
  }

  function receive(data: unknown): void {
    const message: Message = JSON.parse(data as string)
    if (message.type === 'welcome') {
      welcome = message
      take('welcome')
    } else if (message.type === 'disconnect') farewell = message
    else if (machine.state === 'open') delegates.receive(message)
    if (machine.state === 'open') beat.set(welcome.heartbeatMs, probe)
  }

  return {
    get state() {
      return machine.state
    },
    get isDialing() {
      return machine.state === 'connecting' && !!socket
    },
    say,
    happen,
  }
}
