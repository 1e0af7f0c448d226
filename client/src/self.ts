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
  /** Takes what a message says of the choice; returns whether that is another now. */
  receive(message: Message): boolean
}

/** What there is to say of this user and this device, and what the server says the user has chosen. */
export function self(say: (said: Said) => void): Self {
  let choice = PLAIN
  /** A welcome is followed by the choice, or, when that is a plain `online`, by something else. */
  let isChoiceDue = false
  let activity: Activity = 'active'
  let visible = true

  return {
    get status() {
      return choice
    },
    setActivity(state) {
      if (state === activity) return
      activity = state
      say({ type: 'set_activity', state })
    },
    setVisible(isVisible) {
      if (isVisible === visible) return
      visible = isVisible
      say({ type: 'client_state', state: visible ? 'active' : 'inactive' })
    },
    resume() {
      isChoiceDue = true
      // Always: the server keeps the activity with the session, which may have been idle before the page was loaded.
      say({ type: 'set_activity', state: activity })
      if (!visible) say({ type: 'client_state', state: 'inactive' })
    },
    receive(message) {
      const isChoice = message.type === 'status_updated'
      if (!isChoice && !isChoiceDue) return false
      isChoiceDue = false
      const { status, text, expiresAt } = isChoice ? message : PLAIN
      if (choice.status === status && choice.text === text && choice.expiresAt === expiresAt) return false
      choice = { status, text, expiresAt }
      return true
    },
  }
}
