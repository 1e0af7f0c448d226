import { type ReadonlySignal, signal } from '@preact/signals'
import type { PresenceClient, PresenceUser } from '@who-is-online/client'
import { type Later, perFrame } from './frame.ts'
import { History } from './history.ts'
import { type Filter, type Look, People } from './people.ts'
import type { Row } from './row.ts'
import { type Entry, Stream } from './stream.ts'

/**
 * How much what is shown can be trusted:
 *
 * - `connecting`: nothing was told yet
 * - `failing`: the same, and the first attempts came to nothing
 * - `live`: it is so now
 * - `stale`: it was so at `since`, when the connection was lost
 * - `refused`: the same, and the server does not want this page back
 */
export type Trust =
  | { readonly state: 'connecting' | 'failing' | 'live' }
  | { readonly state: 'stale'; readonly since: number }
  | { readonly state: 'refused'; readonly reason: string }

/** Whether nothing is shown that may not be so any more. */
export function isUpToDate({ state }: Trust): boolean {
  return state !== 'stale' && state !== 'refused'
}

/** What the list shows; another object whenever something of it is another. */
export interface ListView {
  readonly rows: readonly Row[]
  readonly here: number
  readonly known: number
  readonly filter: Filter
}

export interface StreamView {
  readonly entries: readonly Entry[]
  readonly isPaused: boolean
  readonly missed: number
}

/** What the page shows, as it changes: at most once a frame. */
export interface Live {
  readonly openedAt: number
  readonly trust: ReadonlySignal<Trust>
  readonly list: ReadonlySignal<ListView>
  readonly stream: ReadonlySignal<StreamView>
  readonly history: ReadonlySignal<{ readonly history: History; readonly here: number }>
  /** The time, for what says how long ago something was; moves on some times a minute. */
  readonly now: ReadonlySignal<number>
  find(filter: Filter): void
  setMe(userId: string | undefined): void
  pauseStream(isPaused: boolean): void
  /** A second has passed. */
  tick(): void
}

/** What {@link live} takes from the browser. */
export interface Surroundings {
  readonly later: Later
  readonly now: () => number
}

/** How often "3 minutes ago" is looked at again. */
const CLOCK_MS = 10_000

/** A page that is seen looks every second. One that did not for as long was hidden, or asleep, and is told late what it missed. */
const UNSEEN_MS = 3_000

/** How long it may take until all of that is told. */
const CATCH_UP_MS = 2_000

/** Watches everybody with this client, hidden, and makes of it what the page shows. */
export function live(client: PresenceClient, { later, now }: Surroundings): Live {
  const openedAt = now()
  const people = new People()
  const changes = new Stream()
  const past = new History()
  /** Who was told of since the last frame, each as they were told last. */
  const told = new Map<string, PresenceUser>()
  let filter: Filter = { text: '', onlyHere: false }
  let wasLive = false
  let lookedAt = openedAt
  /** Until when what is told may have happened before. */
  let lateUntil = 0

  const trust = signal<Trust>({ state: 'connecting' })
  const list = signal<ListView>(view())
  const stream = signal<StreamView>(streamView())
  const history = signal({ history: past, here: 0 })
  const clock = signal(openedAt)
  const draw = perFrame(take, later)

  function take(): void {
    const at = now()
    const isLive = client.freshness === 'live'
    const users = [...told.values()]
    told.clear()
    const happened = people.take(users, at, lookNow(at))
    if (isLive) wasLive = true
    changes.add(happened)
    showTrust(isLive, at)
    if (users.length > 0) show()
    if (happened.length > 0) stream.value = streamView()
    note(at)
  }

  /** How what is told now comes to be known. To be asked once per look. */
  function lookNow(at: number): Look {
    if (at - lookedAt > UNSEEN_MS) lateUntil = at + CATCH_UP_MS
    lookedAt = at
    if (!wasLive) return 'first'
    return trust.value.state === 'live' && at >= lateUntil ? 'live' : 'late'
  }

  function showTrust(isLive: boolean, at: number): void {
    const { state } = trust.value
    const { refusal, connectionStatus } = client
    if (connectionStatus === 'suspended') {
      if (state !== 'refused') trust.value = { state: 'refused', reason: refusal?.message ?? 'refused' }
    } else if (isLive) {
      if (state !== 'live') trust.value = { state: 'live' }
    } else if (state === 'live' || state === 'refused') {
      trust.value = { state: 'stale', since: at }
    } else if (state === 'connecting' && connectionStatus === 'waiting') {
      trust.value = { state: 'failing' }
    }
  }

  function note(at: number): void {
    const { here } = people
    past.note(at, trust.value.state === 'live' ? here : undefined)
    history.value = { history: past, here }
  }

  function view(): ListView {
    return { rows: people.list, here: people.here, known: people.known, filter }
  }

  function streamView(): StreamView {
    return { entries: changes.shown, isPaused: changes.isPaused, missed: changes.missed }
  }

  function show(): void {
    list.value = view()
  }

  client.onChange(users => {
    for (const user of users) {
      // Taken out first, so that the order is that of the news.
      told.delete(user.userId)
      told.set(user.userId, user)
    }
    draw()
  })
  client.onConnectionChange(draw)
  client.watchAll()

  return {
    openedAt,
    trust,
    list,
    stream,
    history,
    now: clock,
    find(wanted) {
      filter = wanted
      people.find(wanted)
      show()
    },
    setMe(userId) {
      people.setMe(userId)
      show()
    },
    pauseStream(isPaused) {
      if (isPaused) changes.pause()
      else changes.resume()
      stream.value = streamView()
    },
    tick() {
      const at = now()
      if (at - clock.value >= CLOCK_MS) clock.value = at
      // Not every change of what is known brings a message: an empty server becomes live without one.
      draw()
    },
  }
}
