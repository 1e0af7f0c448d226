import type { MyStatus } from './choice.ts'
import type { Platform } from './platform.ts'
import type { Status, Welcome } from './protocol.ts'
import type { Requests } from './requests.ts'
import { isSame } from './same.ts'
import type { Activity, Message, Request } from './wire.ts'

const PLAIN: MyStatus = { status: 'online' }

/** What the URL of a connection says of the choice; never its text. */
export interface SaidChoice {
  readonly status?: Status | undefined
  readonly expiresAt?: string | undefined
  /** When it was made, by the server's clock. Left out where that is not known yet: then it counts as made now. */
  readonly chosenAt?: string | undefined
}

export interface Self {
  /** What this user has chosen, as the server said last. */
  readonly status: MyStatus
  setActivity(state: Activity): void
  setVisible(isVisible: boolean): void
  /** The user chooses a status, which is asked for next. */
  choose(status: Status): void
  /** What the URL of a connection that begins now has to say. */
  forUrl(): SaidChoice
  /** The connection is open. */
  resume(welcome: Welcome): void
  /** Says all of this device again: the server may not have taken it. */
  sayAll(): void
  /** Takes what a message says of the choice, and whether the server knows that somebody looks. */
  receive(message: Message): void
}

/**
 * This user and this device: what to tell the server of them, and what the server says the user has chosen. The choice is
 * kept here, since a server forgets it some time after the user is gone. `asking` has a choice that the server has not
 * answered yet. `tellHidden`: the server holds changes back, or does so no more.
 */
export function self(
  { now }: Platform,
  say: (request: Request) => number,
  asking: Pick<Requests, 'choice' | 'sayChoice' | 'dropChoice'>,
  tellChoice: (choice: MyStatus) => void,
  tellHidden: (isHidden: boolean) => void,
): Self {
  let choice = PLAIN
  /** When the choice was made, by the server's clock; undefined while nobody has chosen anything. */
  let chosenAt: string | undefined
  /** When the choice was made that the server has not answered yet, by its clock; undefined: it counts as made now. */
  let askedAt: string | undefined
  /** How far the server's clock is ahead of this device's, in ms. Unknown before the first welcome: the server judges then. */
  let aheadMs = Number.NaN
  /** A welcome is followed by the choice, or, when that is a plain `online`, by something else. */
  let isChoiceDue = false
  /** The server has the choice from the URL, and its text is on the way. */
  let isTextDue = false
  let activity: Activity = 'active'
  let visible = true
  /** The request that said last whether anybody looks. */
  let visibleId: number | undefined

  // All of it, always: the server keeps the activity with the session, which may have been idle before the page was loaded.
  function sayAll(): void {
    say({ type: 'set_activity', state: activity })
    visibleId = say({ type: 'client_state', state: visible ? 'active' : 'inactive' })
    sayText()
  }

  function sayText(): void {
    // A newer choice has its own request.
    if (isTextDue && !asking.choice()) say({ type: 'set_status', ...choice })
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
    choose(status) {
      // Hiding counts as made now, so that it always wins, and so does a choice that ends a hiding still on its way.
      // Any other has its time: a server that stalled may read the URL of an abandoned attempt late, and that must not
      // show a user who has hidden since. It is an estimate, a bit too early, so at least later than the choice before.
      const time = Math.max(now() + aheadMs, (Date.parse(chosenAt ?? '') || 0) + 1)
      const isNow = [status, asking.choice()?.status].includes('offline')
      askedAt = isNow ? undefined : (new Date(time).toJSON() ?? undefined)
    },
    forUrl() {
      const newer = asking.choice()
      const { status, expiresAt } = newer ?? choice
      if (Date.parse(expiresAt ?? '') <= now() + aheadMs) return {}
      if (newer) return { status, expiresAt, chosenAt: askedAt }
      // A plain `online` too, if it was chosen: else an older choice of another device would count as the last one.
      return chosenAt ? { status, expiresAt, chosenAt } : {}
    },
    resume({ serverTime }) {
      aheadMs = Date.parse(serverTime) - now()
      isChoiceDue = true
      isTextDue = false
      sayAll()
    },
    sayAll,
    receive(message) {
      // The server has told what it had kept to itself before it says that it took this.
      if (message.type === 'ack' && message.id === visibleId) tellHidden(!visible)
      const isChoice = message.type === 'status_updated'
      if (!isChoice && !isChoiceDue) return
      const { status, text, expiresAt } = isChoice ? message : PLAIN
      const newer = asking.choice()
      if (isChoiceDue && newer) {
        // Another device hid the user after the choice here: the user stays hidden.
        if (isChoice && status === 'offline' && askedAt && message.timestamp > askedAt)
          asking.dropChoice(message)
        else asking.sayChoice()
      }
      const told: MyStatus = { status, text, expiresAt }
      // This is the choice of the URL, which has no text. Any other is from another device, newer, and replaces it.
      isTextDue =
        isChoice &&
        isChoiceDue &&
        message.timestamp === chosenAt &&
        !newer &&
        !!choice.text &&
        isSame({ ...choice, text: undefined }, told)
      isChoiceDue = false
      if (isTextDue) return sayText()
      // A plain `online` that was not told is at least as new.
      if (isChoice) chosenAt = message.timestamp
      if (isSame(choice, told)) return
      choice = told
      tellChoice(choice)
    },
  }
}
