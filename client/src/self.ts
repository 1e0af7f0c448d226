import { isSame } from './same.ts'
import type { Activity, Message, Said, Status } from './wire.ts'

/** What this user has chosen, which may be more than what others see. */
export interface MyStatus {
  readonly status: Status
  readonly text?: string | undefined
  /** ISO 8601: when it falls back to a plain `online`. */
  readonly expiresAt?: string | undefined
}

const PLAIN: MyStatus = { status: 'online' }

export interface Self {
  readonly status: MyStatus
  setActivity(state: Activity): void
  setVisible(isVisible: boolean): void
  /** The connection is open. */
  resume(): void
  /** Takes what a message says of the choice. */
  receive(message: Message): void
}

/** What there is to say of this user and this device, and what the server says the user has chosen. */
export function self(say: (said: Said) => void, tellChoice: (choice: MyStatus) => void): Self {
  let choice = PLAIN
  /** A welcome is followed by the choice, or, when that is a plain `online`, by something else. */
  let isChoiceDue = false
  let activity: Activity = 'active'
  let visible = true

  const sayActivity = (): void => say({ type: 'set_activity', state: activity })
  const sayVisible = (): void => say({ type: 'client_state', state: visible ? 'active' : 'inactive' })

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
    },
    resume() {
      isChoiceDue = true
      // Always: the server keeps the activity with the session, which may have been idle before the page was loaded.
      sayActivity()
      if (!visible) sayVisible()
    },
    receive(message) {
      const isChoice = message.type === 'status_updated'
      if (!isChoice && !isChoiceDue) return
      isChoiceDue = false
      const { status, text, expiresAt } = isChoice ? message : PLAIN
      const now = { status, text, expiresAt }
      if (isSame(choice, now)) return
      choice = now
      tellChoice(choice)
    },
  }
}
