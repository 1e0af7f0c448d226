import { type ReadonlySignal, signal } from '@preact/signals'
import type { PresenceClient, PresenceUser } from '@who-is-online/client'
import { ChangeList, type Entry } from './change-list.ts'
import { perFrame, type Schedule } from './frame.ts'
import { History } from './history.ts'
import type { Row } from './row.ts'
import { type Arrival, type Filter, UserList } from './user-list.ts'

/**
 * Whether the shown data is up to date:
 *
 * - `connecting`: no data yet.
 * - `failing`: no data yet, and the first attempts have failed.
 * - `live`: the data is up to date.
 * - `stale`: the data is of `since` (ms since the epoch), when the connection was lost.
 * - `refused`: the server refuses this page, for `reason`.
 */
export type Trust =
  | { readonly state: 'connecting' | 'failing' | 'live' }
  | { readonly state: 'stale'; readonly since: number }
  | { readonly state: 'refused'; readonly reason: string }

/** Returns whether the page shows no outdated data. */
export function isUpToDate({ state }: Trust): boolean {
  return state !== 'stale' && state !== 'refused'
}

/** The list of users. Another object whenever something in it has changed. */
export interface ListView {
  /** The rows that match the filter. */
  readonly rows: readonly Row[]
  /** How many users are online, whatever the filter is. */
  readonly online: number
  /** How many users there are. */
  readonly total: number
  readonly filter: Filter
}

/** The list of changes. */
export interface ChangesView {
  readonly entries: readonly Entry[]
  readonly isPaused: boolean
  /** How many changes have come since the list was paused. */
  readonly unseen: number
}

/** What the page shows, as signals that change at most once a frame. */
export interface Live {
  /** When the page was opened, in ms since the epoch. */
  readonly openedAt: number
  readonly trust: ReadonlySignal<Trust>
  readonly list: ReadonlySignal<ListView>
  readonly changes: ReadonlySignal<ChangesView>
  readonly history: ReadonlySignal<{ readonly history: History; readonly online: number }>
  /** The time for relative times, in ms since the epoch; updated every ten seconds. */
  readonly now: ReadonlySignal<number>
  setFilter(filter: Filter): void
  /** Marks the user of this tab. */
  setMe(userId: string | undefined): void
  pauseChanges(isPaused: boolean): void
  /** Call this every second. */
  tick(): void
}

/** What {@link live} needs of the browser. */
export interface Environment {
  readonly schedule: Schedule
  /** Returns the time in ms since the epoch. */
  readonly now: () => number
}

/** How often relative times such as "3 minutes ago" are updated, in ms. */
const CLOCK_MS = 10_000

/**
 * A visible page ticks every second. After so many ms without a tick it was hidden or asleep, and receives
 * changes late.
 */
const HIDDEN_MS = 3_000

/** How long it may take until all late changes have arrived, in ms. */
const CATCH_UP_MS = 2_000

/** Subscribes to all users with this client, and keeps what the page shows. */
export function live(client: PresenceClient, { schedule, now }: Environment): Live {
  const openedAt = now()
  const users = new UserList()
  const changeList = new ChangeList()
  const past = new History()
  /** The users who have changed since the last frame, in the order of their newest change. */
  const changed = new Map<string, PresenceUser>()
  let filter: Filter = { text: '', onlyOnline: false }
  let wasLive = false
  let lastFrameAt = openedAt
  /** Changes that arrive before this time may have happened earlier. */
  let lateUntil = 0

  const trust = signal<Trust>({ state: 'connecting' })
  const list = signal<ListView>(listView())
  const changes = signal<ChangesView>(changesView())
  const history = signal({ history: past, online: 0 })
  const clock = signal(openedAt)
  const draw = perFrame(update, schedule)

  function update(): void {
    const at = now()
    const isLive = client.freshness === 'live'
    const updates = [...changed.values()]
    changed.clear()
    const happened = users.update(updates, at, arrivalAt(at))
    if (isLive) wasLive = true
    changeList.add(happened)
    updateTrust(isLive, at)
    if (updates.length > 0) list.value = listView()
    if (happened.length > 0) changes.value = changesView()
    record(at)
  }

  /** Returns how the updates of this frame arrive. Call it once per frame. */
  function arrivalAt(at: number): Arrival {
    if (at - lastFrameAt > HIDDEN_MS) lateUntil = at + CATCH_UP_MS
    lastFrameAt = at
    if (!wasLive) return 'initial'
    return trust.value.state === 'live' && at >= lateUntil ? 'live' : 'late'
  }

  function updateTrust(isLive: boolean, at: number): void {
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

  function record(at: number): void {
    const { online } = users
    past.record(at, trust.value.state === 'live' ? online : undefined)
    history.value = { history: past, online }
  }

  function listView(): ListView {
    return { rows: users.list, online: users.online, total: users.total, filter }
  }

  function changesView(): ChangesView {
    return { entries: changeList.shown, isPaused: changeList.isPaused, unseen: changeList.unseen }
  }

  client.onChange(updates => {
    for (const user of updates) {
      // Deleted first, so that the map is in the order of the newest changes.
      changed.delete(user.userId)
      changed.set(user.userId, user)
    }
    draw()
  })
  client.onConnectionChange(draw)
  client.watchAll()

  return {
    openedAt,
    trust,
    list,
    changes,
    history,
    now: clock,
    setFilter(wanted) {
      filter = wanted
      users.setFilter(wanted)
      list.value = listView()
    },
    setMe(userId) {
      users.setMe(userId)
      list.value = listView()
    },
    pauseChanges(isPaused) {
      if (isPaused) changeList.pause()
      else changeList.resume()
      changes.value = changesView()
    },
    tick() {
      const at = now()
      if (at - clock.value >= CLOCK_MS) clock.value = at
      // The state can become live without a message that changes a user: on a server without users, for example.
      draw()
    },
  }
}
