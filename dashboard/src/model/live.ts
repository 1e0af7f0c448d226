import { type ReadonlySignal, signal } from '@preact/signals'
import type { PresenceClient, PresenceUser, Status } from '@who-is-online/client'
import { ChangeList, type Entry } from './change-list.ts'
import { perFrame, type Schedule } from './frame.ts'
import { type Columns, History, type Range, type ServerHistory } from './history.ts'
import { DEFAULT_ORDER, type Order } from './order.ts'
import type { Row } from './row.ts'
import { isUpToDate, Trusted } from './trust.ts'
import { type Arrival, type Filter, UserList } from './user-list.ts'

/** The list of users. Another object whenever something in it has changed. */
export interface ListView {
  /** Whether the first state has arrived. Until then no number is known. */
  readonly isKnown: boolean
  /** The rows that match the filter. */
  readonly rows: readonly Row[]
  /** How many users are online, away or busy, whatever the filter is. */
  readonly online: number
  /** How many users there are, and how many of them have each status. */
  readonly total: number
  readonly counts: Readonly<Record<Status, number>>
  readonly filter: Filter
  readonly order: Order
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
  readonly trust: Trusted['trust']
  readonly list: ReadonlySignal<ListView>
  readonly changes: ReadonlySignal<ChangesView>
  /** The numbers of the chart; updated every second while the data is up to date. */
  readonly history: ReadonlySignal<Columns>
  /** The time that the chart shows. */
  readonly range: ReadonlySignal<Range>
  /** The time for relative times, in ms since the epoch; updated every ten seconds while the data is up to date. */
  readonly now: ReadonlySignal<number>
  /** How long ago the connection was lost, in seconds, and at least 1; 0 while the data is up to date. */
  readonly lostSeconds: ReadonlySignal<number>
  /** The row of a user, whether the list shows it or not. */
  user(userId: string): Row | undefined
  /** The newest changes of a user since the page was opened. */
  changesOf(userId: string): readonly Entry[]
  /** The place of a user in the list; -1 if the list does not show the user. */
  indexOf(userId: string): number
  /** Changes which rows the list shows, and their order. */
  show(filter: Filter, order: Order): void
  /** Marks the user of this tab. */
  setMe(userId: string | undefined): void
  pauseChanges(isPaused: boolean): void
  /** Changes the time that the chart shows. */
  showRange(range: Range): void
  /** Call this every second. */
  tick(): void
}

/** What {@link live} needs of the browser and the server. */
export interface Environment {
  readonly schedule: Schedule
  /** Returns the time in ms since the epoch. */
  readonly now: () => number
  /** Asks the server for the numbers of the last 24 hours. */
  readonly askHistory: () => Promise<ServerHistory>
  /** Finds out why no WebSocket can be opened: a sentence, or `undefined` if that is unknown. Never rejects. */
  readonly whyNoWebSocket: () => Promise<string | undefined>
}

/** How often relative times such as "3 minutes ago" are updated, in ms. */
const CLOCK_MS = 10_000

/** How often the server is asked for the numbers of the last 24 hours, in ms. */
const HISTORY_MS = 600_000

/**
 * A visible page ticks every second. After so many ms without a tick it was hidden or asleep, and receives
 * changes late.
 */
const HIDDEN_MS = 3_000

/** How long it may take until all late changes have arrived, in ms. */
const CATCH_UP_MS = 2_000

/** Subscribes to all users with this client, and keeps what the page shows. */
export function live(client: PresenceClient, environment: Environment): Live {
  const { schedule, now, askHistory, whyNoWebSocket } = environment
  const users = new UserList()
  const changeList = new ChangeList()
  const past = new History()
  const trusted = new Trusted(client, whyNoWebSocket, () => draw())
  /** The users who have changed since the last frame, in the order of their newest change. */
  const changed = new Map<string, PresenceUser>()
  let filter: Filter = { text: '', status: undefined }
  let order = DEFAULT_ORDER
  let wasLive = false
  let lastFrameAt = now()
  /** Changes that arrive before this time may have happened earlier. */
  let lateUntil = 0
  /** When the server was last asked for its numbers. */
  let askedAt = Number.NEGATIVE_INFINITY

  const list = signal<ListView>(listView())
  const changes = signal<ChangesView>(changesView())
  const history = signal<Columns>({ times: [], counts: [] })
  const range = signal<Range>('day')
  const clock = signal(now())
  const lostSeconds = signal(0)
  /** The time at which the chart ends: outdated data is shown as of the time when it was up to date. */
  let chartEndsAt = now()
  const draw = perFrame(update, schedule)

  function update(): void {
    const at = now()
    const isLive = client.freshness === 'live'
    const isFirst = isLive && !wasLive
    const updates = [...changed.values()]
    changed.clear()
    const happened = users.update(updates, at, arrivalAt(at))
    if (isLive) wasLive = true
    changeList.add(happened)
    const { state } = trusted.trust.value
    trusted.update(isLive, at)
    updateLost(at)
    if (updates.length > 0 || isFirst) list.value = listView()
    if (happened.length > 0) changes.value = changesView()
    const isBack = isLive && state !== 'live'
    past.record(at, isLive ? users.online : undefined)
    if (isBack || (isLive && at - askedAt >= HISTORY_MS)) ask(at)
  }

  function updateLost(at: number): void {
    const trust = trusted.trust.value
    lostSeconds.value = trust.state === 'stale' ? Math.max(1, Math.floor((at - trust.since) / 1_000)) : 0
  }

  function updateChart(at: number): void {
    if (isUpToDate(trusted.trust.value)) chartEndsAt = at
    history.value = past.columns(chartEndsAt, range.value)
  }

  /** Asks the server for its numbers. Without an answer the chart has only what this page has seen. */
  function ask(at: number): void {
    askedAt = at
    askHistory().then(
      kept => {
        past.setServer(kept, now())
        updateChart(now())
      },
      () => {},
    )
  }

  /** Returns how the updates of this frame arrive. Call it once per frame. */
  function arrivalAt(at: number): Arrival {
    if (at - lastFrameAt > HIDDEN_MS) lateUntil = at + CATCH_UP_MS
    lastFrameAt = at
    if (!wasLive) return 'initial'
    return trusted.trust.value.state === 'live' && at >= lateUntil ? 'live' : 'late'
  }

  function listView(): ListView {
    const { list: rows, online, total, counts } = users
    return { isKnown: wasLive, rows, online, total, counts, filter, order }
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
  client.onConnectionChange(state => {
    trusted.connectionIs(state)
    draw()
  })
  client.watchAll()

  return {
    trust: trusted.trust,
    list,
    changes,
    history,
    range,
    now: clock,
    lostSeconds,
    user: userId => users.get(userId),
    changesOf: userId => changeList.of(userId),
    indexOf: userId => users.indexOf(userId),
    show(wanted, by) {
      filter = wanted
      order = by
      users.show(filter, order)
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
    showRange(wanted) {
      range.value = wanted
      updateChart(now())
    },
    tick() {
      const at = now()
      // Outdated data is shown as of the time when it was up to date.
      if (at - clock.value >= CLOCK_MS && isUpToDate(trusted.trust.value)) clock.value = at
      if (isUpToDate(trusted.trust.value)) updateChart(at)
      updateLost(at)
      // The state can become live without a message that changes a user: on a server without users, for example.
      draw()
    },
  }
}
