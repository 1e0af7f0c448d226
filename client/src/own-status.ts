import type { MyStatus } from './choice.ts'
import type { PendingRequests } from './pending-requests.ts'
import type { Platform } from './platform.ts'
import type { Status } from './protocol.ts'
import { isSame } from './same.ts'
import type { Activity, Message, Request } from './wire.ts'

/** A device that stays active says so again after this time, in ms. */
export const RENEW_MS = 60_000

/** The shortest and the longest time for which the server takes a device as active, in ms. */
const MIN_ACTIVE_MS = 10_000
const MAX_ACTIVE_MS = 3_600_000

const DEFAULT: MyStatus = { status: 'online' }

/** What the URL of a connection says of the choice. Never the text: URLs end up in log files. */
export interface UrlChoice {
  readonly status?: Status | undefined
  readonly expiresAt?: string | undefined
  /**
   * When the choice was made, by the server's clock. Absent while that is unknown: the server takes it as
   * made now.
   */
  readonly chosenAt?: string | null | undefined
}

/** The status of this user, and the activity of this device. */
export interface OwnStatus {
  /** Returns the user's choice, as the server last confirmed it. */
  status(): MyStatus
  setActivity(state: Activity, forMs?: number): void
  setVisible(isVisible: boolean): void
  /** Call this before a `set_status` is sent: notes when the choice is made. */
  setStatus(status: Status): void
  /** Returns what the URL of a connection must say now. */
  urlChoice(): UrlChoice
  /** The connection is open: sends the state of this device. */
  resume(): void
  /** Sends the state of this device again, because the server may have refused it. */
  resend(): void
  /** Returns whether a message answers the last report of the activity. */
  isActivity(message: Message): boolean
  /** Takes from a message what it says of the choice and of the visibility of this device. */
  receive(message: Message): void
}

/**
 * Makes the status of this user. The client keeps the choice, because the server forgets it some time after
 * the user has left. `now` returns the time of the server, `NaN` before the first welcome. `requests` has the
 * choice that the server has not answered. `emitStatus` gets each new
 * choice; `emitVisible` is told when the server stops and resumes sending changes because this device is
 * hidden or visible. `platform` has the time of this device.
 */
export function ownStatus(
  now: () => number,
  send: (request: Request) => number,
  requests: Pick<PendingRequests, 'choice' | 'sendChoice' | 'settleChoice'>,
  emitStatus: (choice: MyStatus) => void,
  emitVisible: (isVisible: boolean) => void,
  platform: Pick<Platform, 'now'>,
): OwnStatus {
  let choice = DEFAULT
  /** When `choice` was made, by the server's clock; undefined while nothing has been chosen. */
  let chosenAt: string | undefined
  /**
   * When the unanswered choice was made, by the server's clock; nothing if it counts as made when the server
   * gets it.
   */
  let pendingChosenAt: string | null | undefined
  /**
   * After a welcome the server sends the choice, unless that is a plain `online`: then the next message is
   * another one.
   */
  let isChoiceExpected = false
  /** The server has taken the choice from the URL, and its text must follow. */
  let isTextMissing = false
  let activity: Activity = 'active'
  /** Until when this device is active, by its own clock; `NaN` if that has no end. */
  let activeUntil = Number.NaN
  /** The same as it was sent last; 0 if that had no end. */
  let sentUntil = 0
  let isVisible = true
  /** The `id` of the last `client_state` request. */
  let visibilityId: number | undefined
  /** The `id` of the last `set_activity` request. */
  let activityId: number | undefined

  // Always both: the server keeps the activity with the session, which may have been idle before the page was
  // reloaded.
  function resend(): void {
    const forMs = activeUntil - platform.now()
    if (forMs < MIN_ACTIVE_MS) activity = 'idle'
    const isLimited = activity === 'active' && forMs <= MAX_ACTIVE_MS
    activityId = send({ type: 'set_activity', state: activity, forMs: isLimited ? forMs : undefined })
    sentUntil = activeUntil || 0
    visibilityId = send({ type: 'client_state', state: isVisible ? 'active' : 'inactive' })
    sendText()
  }

  function sendText(): void {
    // A newer choice has a request of its own.
    if (isTextMissing && !requests.choice()) send({ type: 'set_status', ...choice })
  }

  return {
    status: () => choice,
    setActivity(state, forMs = Number.NaN) {
      const isSame = state === activity
      activity = state
      activeUntil = platform.now() + forMs
      // The clock of the device may have been set back.
      if (!isSame || Math.abs(activeUntil - sentUntil) >= RENEW_MS) resend()
    },
    setVisible(isVisibleNow) {
      if (isVisibleNow === isVisible) return
      isVisible = isVisibleNow
      resend()
      if (!isVisible) emitVisible(false)
    },
    setStatus(status) {
      // Hiding counts as made when the server gets it, so that it always wins, and so does a choice that
      // replaces a hiding that is not yet confirmed. Any other choice has a time: the server may read the URL
      // of an abandoned attempt late, and that must not show a user who has hidden since. The time is an
      // estimate and may be a bit too early, so it is at least later than the time of the choice before.
      const time = Math.max(now(), (Date.parse(chosenAt as string) || 0) + 1)
      const isNow = [status, requests.choice()?.status].includes('offline')
      pendingChosenAt = isNow ? undefined : new Date(time).toJSON()
    },
    urlChoice() {
      const pending = requests.choice()
      const { status, expiresAt } = pending ?? choice
      const isOver = Date.parse(expiresAt as string) <= now()
      // A plain `online` too, if it was chosen: otherwise an older choice of another device would count as
      // the last one.
      if (isOver || !(pending || chosenAt)) return {}
      return { status, expiresAt, chosenAt: pending ? pendingChosenAt : chosenAt }
    },
    resume() {
      isChoiceExpected = true
      isTextMissing = false
      resend()
    },
    resend,
    isActivity: ({ id }) => id === activityId,
    receive(message) {
      // The server sends what it has held back before it acknowledges that the device is visible.
      if (message.type === 'ack' && message.id === visibilityId) emitVisible(isVisible)
      const isChoice = message.type === 'status_updated'
      if (!isChoice && !isChoiceExpected) return
      const { status, text, expiresAt } = isChoice ? message : DEFAULT
      const pending = requests.choice()
      if (isChoiceExpected && pending) {
        // Another device has hidden the user after the choice was made here: the user stays hidden.
        if (isChoice && status === 'offline' && pendingChosenAt && message.timestamp > pendingChosenAt)
          requests.settleChoice(message)
        else requests.sendChoice()
      }
      const received: MyStatus = { status, text, expiresAt }
      // The server has the choice of the URL, which lacks the text. Any other choice is newer and replaces it.
      isTextMissing =
        isChoice &&
        isChoiceExpected &&
        message.timestamp === chosenAt &&
        !pending &&
        !!choice.text &&
        isSame({ ...choice, text: undefined }, received)
      isChoiceExpected = false
      if (isTextMissing) return sendText()
      // A plain `online` that the server did not send is at least as new as `chosenAt`.
      if (isChoice) chosenAt = message.timestamp
      if (isSame(choice, received)) return
      choice = received
      emitStatus(choice)
    },
  }
}
