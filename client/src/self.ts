import { isSame } from './same.ts'
import type { Activity, Message, Request, Status } from './wire.ts'

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
  /** Says all of this device again: the server may not have taken it. */
  sayAll(): void
  /** Takes what a message says of the choice, and whether the server knows that somebody looks. */
  receive(message: Message): void
}

/**
 * What there is to say of this user and this device, and what the server says the user has chosen. `tellHidden`: the
 * server keeps changes to itself, or does so no more.
 */
export function self(
  say: (request: Request) => number,
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

  // All of it, always: the server keeps the activity with the session, which may have been idle before the page was loaded.
  function sayAll(): void {
    say({ type: 'set_activity', state: activity })
    visibleId = say({ type: 'client_state', state: visible ? 'active' : 'inactive' })
  }

  return {
    get status() {
      return choice
    },
    setActivity(state) {
      if (state === activity) return
      activity = state
      sayAll()
    },
    setVisible(isVisible) {
      if (isVisible === visible) return
      visible = isVisible
      sayAll()
      if (!visible) tellHidden(true)
    },
    resume() {
      isChoiceDue = true
      sayAll()
    },
    sayAll,
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
  }
}
