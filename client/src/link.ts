import * as CLOSE from './close.ts'
import { heartbeat } from './heartbeat.ts'
import { begin, type ConnectionState, type Effect, type Event, step } from './machine.ts'
import type { Credentials } from './passport.ts'
import type { Platform, WebSocketLike } from './platform.ts'
import { timer } from './timer.ts'
import type { Disconnect, Message, Said, Welcome } from './wire.ts'

/** What a server takes that does not say so. */
export const LIMITS: Welcome['limits'] = {
  maxMessageBytes: 65_536,
  maxUserIds: 1_000,
  maxWatchedUsers: 10_000,
  messagesPerSecond: 20,
  messagesBurst: 200,
}

/** A list costs the server as much as one message does, and as much again for each so many ids. */
const IDS_PER_MESSAGE = 100

/** How often a server is asked for a sign of life that does not say how often. */
const BEAT_MS = 15_000

/** What the link leaves to others. */
export interface Delegates {
  /** Called for every attempt. */
  credentials(newSession: boolean): Promise<Credentials>
  /** The connection is open: now is the time to say what is to be said. */
  resume(welcome: Welcome): void
  receive(message: Message): void
  /** The connection that was open is no more. */
  lost(): void
  refused(code: number, reason: string | undefined): void
  changed(state: ConnectionState): void
}

/** The connection: does what the machine says, with one socket at a time. */
export interface Link {
  readonly state: ConnectionState
  /** Says something, if the connection is open; else nothing happens. */
  say(said: Said): void
  /** In how many milliseconds the server will take this; 0 when it does now. */
  wait(said: Said): number
  /** Lets something happen to the connection. */
  happen(event: Event): void
}

export function link(platform: Platform, canRenewToken: boolean, delegates: Delegates): Link {
  const beat = heartbeat(
    platform,
    () => say({ type: 'ping' }),
    () => happen('silent'),
  )
  const due = timer(platform)
  let events: (readonly [event: Event, code: number])[] = []
  let machine = begin(canRenewToken)
  let socket: WebSocketLike | undefined
  /** Counts attempts, so that what belongs to one of before is known. */
  let attempt = 0
  let welcome: Welcome
  /**
   * The time by which the server will have forgotten what was said: the bucket that it keeps of this connection, kept
   * here. It lies ahead as soon as more was said than the server takes.
   */
  let paidUntil = 0
  /** What the server said before it closed; or why there is no socket. */
  let farewell: Partial<Disconnect> | undefined

  function say(said: Said): void {
    if (machine.state !== 'open') return
    paidUntil = paid(said)
    socket?.send(JSON.stringify(said))
  }

  /** The time by which the server will have forgotten this too. */
  function paid(said: Said): number {
    const { messagesPerSecond, messagesBurst } = welcome.limits
    const length = 'userIds' in said ? said.userIds.length : 0
    const ms = 1_000 / messagesPerSecond
    const costMs = (1 + Math.floor(length / IDS_PER_MESSAGE)) * ms
    return Math.max(paidUntil, platform.now() - messagesBurst * ms) + Math.min(costMs, messagesBurst * ms)
  }

  /** What a listener lets happen while something happens comes after it. */
  function happen(event: Event, code: number = CLOSE.broken): void {
    if (events.push([event, code]) > 1) return
    for (const each of events) {
      try {
        take(...each)
      } catch {
        // A socket that can't be used, or a server that talks nonsense: the line is as good as broken.
        events.push(['silent', CLOSE.broken])
      }
    }
    events = []
  }

  function take(event: Event, code: number): void {
    const before = machine.state
    // A farewell that came is better than the word of a browser whose close frame got lost.
    const facts = { code, retryAfterMs: 0, ...farewell, random: platform.random() }
    const [next, ...effects] = step(machine, event, facts)
    machine = next
    const { state } = machine
    const isOther = state !== before
    if (isOther) {
      due.stop()
      beat.stop()
      if (before === 'open') delegates.lost()
    }
    effects.forEach(perform)
    if (isOther) delegates.changed(state)
  }

  function perform([what, how]: Effect): void {
    switch (what) {
      case 'open':
        return void open(how === 1)
      case 'drop':
        return release()?.close(how)
      case 'resume':
        beat.start(welcome.heartbeatMs || BEAT_MS)
        return delegates.resume(welcome)
      case 'probe':
        return beat.probe()
      case 'timer':
        return due.set(how, () => happen('due'))
      case 'refuse':
        return delegates.refused(how, farewell?.reason)
    }
  }

  async function open(newSession: boolean): Promise<void> {
    const own = ++attempt
    farewell = undefined
    // No token to be had is as good as no network.
    let code: number = CLOSE.broken
    try {
      const credentials = await delegates.credentials(newSession)
      if (own !== attempt || !platform.WebSocket) return
      // No URL, or no subprotocol, that a WebSocket takes: it will not get better by itself.
      code = CLOSE.badIdentity
      socket = new platform.WebSocket(...credentials)
    } catch (error) {
      if (own !== attempt) return
      farewell = { reason: String(error) }
      lost(code)
      return
    }
    // What comes from a socket that was left does not count: its close may come much later, when another one is open.
    socket.onmessage = ({ data }: { readonly data: unknown }) => {
      if (own === attempt) receive(data)
    }
    socket.onclose = ({ code }: { readonly code: number }) => {
      if (own === attempt) lost(code)
    }
    // A close follows every error, and says more.
    socket.onerror = () => {}
  }

  function release(): WebSocketLike | undefined {
    const released = socket
    attempt++
    socket = undefined
    return released
  }

  function receive(data: unknown): void {
    beat.heard()
    try {
      const message: Message | null = JSON.parse(data as string)
      if (message?.type === 'welcome') {
        welcome = { ...message, limits: { ...LIMITS, ...message.limits } }
        paidUntil = -Infinity
        happen('welcome')
      } else if (message?.type === 'disconnect') {
        farewell = message
      } else if (message && machine.state === 'open') {
        delegates.receive(message)
      }
    } catch {
      // A server that talks nonsense is not our bug to die of: perhaps it makes sense on another line.
      happen('silent')
    }
  }

  function lost(code: number): void {
    release()
    happen('lost', code)
  }

  return {
    get state() {
      return machine.state
    },
    say,
    wait: said => Math.max(0, paid(said) - platform.now()),
    happen,
  }
}
