import type { Platform } from './platform.ts'
import { isSame } from './same.ts'
import { timer } from './timer.ts'
import type { Activity, Message, Refusal, Said, Status } from './wire.ts'

/** What this user has chosen, which may be more than what others see. */
export interface MyStatus {
  readonly status: Status
  readonly text?: string | undefined
  /** ISO 8601: when it falls back to a plain `online`. */
  readonly expiresAt?: string | undefined
}

/** When something that was refused for now is said again, where the server does not say. */
export const AGAIN_MS = 1_000

const PLAIN: MyStatus = { status: 'online' }

export interface Self {
  readonly status: MyStatus
  setActivity(state: Activity): void
  setVisible(isVisible: boolean): void
  /** The connection is open. */
  resume(): void
  lost(): void
  /** Takes what a message says of the choice, and whether the server knows that somebody looks. */
  receive(message: Message): void
  /** Takes a refusal that is nobody else's; returns whether it will be said again, as it is by then. */
  refused(refusal: Refusal): boolean
}

/**
 * What there is to say of this user and this device, and what the server says the user has chosen. `tellHidden`: the
 * server keeps changes to itself, or does so no more.
 */
export function self(
  platform: Platform,
  say: (said: Said) => void,
  nextId: () => number,
  tellChoice: (choice: MyStatus) => void,
  tellHidden: (isHidden: boolean) => void,
): Self {
  let choice = PLAIN
  /** A welcome is followed by the choice, or, when that is a plain `online`, by something else. */
  let isChoiceDue = false
  let activity: Activity = 'active'
  let visible = true

  /** The request that said last whether anybody looks. */
  let visibleId: number | undefined
  const again = timer(platform)

  const sayActivity = (): void => say({ type: 'set_activity', state: activity, id: nextId() })

  function sayVisible(): void {
    visibleId = nextId()
    say({ type: 'client_state', state: visible ? 'active' : 'inactive', id: visibleId })
  }

  function sayBoth(): void {
    sayVisible()
    sayActivity()
  }

  return {
    get status() {
      return choice
    },
    setActivity(state) {
      if (state === activity) return
      activity = state
      sayActivity()
    },
    setVisible(isVisible) {
      if (isVisible === visible) return
      visible = isVisible
      sayVisible()
      if (!visible) tellHidden(true)
    },
    resume() {
      isChoiceDue = true
      // Always: the server keeps the activity with the session, which may have been idle before the page was loaded.
      sayActivity()
      if (!visible) sayVisible()
      tellHidden(!visible)
    },
    lost: again.stop,
    receive(message) {
      // The server has told what it had kept to itself before it says that it took this.
      if (message.type === 'ack' && message.id === visibleId) tellHidden(!visible)
      const isChoice = message.type === 'status_updated'
      if (!isChoice && !isChoiceDue) return
      isChoiceDue = false
      const { status, text, expiresAt } = isChoice ? message : PLAIN
      const now = { status, text, expiresAt }
      if (isSame(choice, now)) return
      choice = now
      tellChoice(choice)
    },
    refused({ code, retryAfterMs = AGAIN_MS }) {
      const isForNow = code === 'too_fast'
      if (isForNow) again.set(retryAfterMs, sayBoth)
      return isForNow
    },
  }
}
