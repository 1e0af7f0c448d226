import * as CLOSE from './close.ts'
import { heartbeat } from './heartbeat.ts'
import { begin, type ConnectionState, type Effect, type Event, step } from './machine.ts'
import type { Credentials } from './passport.ts'
import type { Platform, WebSocketLike } from './platform.ts'
import { timer } from './timer.ts'
import type { Disconnect, Message, Said, Welcome } from './wire.ts'

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
  /** What the server said before it closed. */
  let farewell: Disconnect | undefined

  function say(said: Said): void {
    if (machine.state === 'open') socket?.send(JSON.stringify(said))
  }

  /** What a listener lets happen while something happens comes after it. */
  function happen(event: Event, code: number = CLOSE.broken): void {
    events.push([event, code])
    if (events.length > 1) return
    for (const each of events) take(...each)
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
        beat.start(welcome.heartbeatMs)
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
    } catch {
      if (own === attempt) lost(code)
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
    const message = parse(data)
    if (message?.type === 'welcome') {
      welcome = message
      happen('welcome')
    } else if (message?.type === 'disconnect') {
      farewell = message
    } else if (message && machine.state === 'open') {
      delegates.receive(message)
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
    happen,
  }
}

/** A message as the server said it. A server that talks nonsense is not our bug to die of. */
function parse(data: unknown): Message | undefined {
  try {
    return JSON.parse(data as string) ?? undefined
  } catch {
    return undefined
  }
}
