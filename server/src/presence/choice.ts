import type { ShownStatus, Status } from '@who-is-online/protocol/words'

/** What a user chose, or a backend chose for the user. */
export interface Choice {
  readonly status: Status
  readonly text?: string | undefined
  /** When the choice ends and becomes `online`, in ms since the epoch. */
  readonly expiresAt?: number | undefined
}

/** A choice that a session begins with. */
export interface FirstChoice extends Choice {
  /** When the user made it, by the server's clock, in ms since the epoch; undefined means now. */
  readonly madeAt?: number | undefined
}

/** The choice of a user who has chosen nothing. */
export const NO_CHOICE: Choice = { status: 'online' }

/** Whether a choice is a plain `online`, without text and end. */
export function isPlain({ status, text, expiresAt }: Choice): boolean {
  return status === 'online' && text === undefined && expiresAt === undefined
}

/** Whether it is the choice to be hidden, without an end. It is kept for some time after the connection was lost. */
export function isHide({ status, expiresAt }: Choice): boolean {
  return status === 'offline' && expiresAt === undefined
}

export function isSameChoice(one: Choice, other: Choice): boolean {
  return one.status === other.status && one.text === other.text && one.expiresAt === other.expiresAt
}

export function hasExpired({ expiresAt }: Choice, now: number): boolean {
  return expiresAt !== undefined && expiresAt <= now
}

/** What others see of a user, besides name and time. An offline user has no text. */
export interface ShownPresence {
  readonly status: ShownStatus
  readonly text: string | undefined
  readonly expiresAt: number | undefined
}

const PLAIN: Readonly<Record<ShownStatus, ShownPresence>> = {
  online: { status: 'online', text: undefined, expiresAt: undefined },
  away: { status: 'away', text: undefined, expiresAt: undefined },
  busy: { status: 'busy', text: undefined, expiresAt: undefined },
  offline: { status: 'offline', text: undefined, expiresAt: undefined },
}

/**
 * What others see of a user with this status and choice. Most users have no text and no end, and share one of
 * four objects.
 */
export function shownAs(status: ShownStatus, { text, expiresAt }: Choice): ShownPresence {
  if (status === 'offline' || (text === undefined && expiresAt === undefined)) return PLAIN[status]
  return { status, text, expiresAt }
}

export const OFFLINE: ShownPresence = PLAIN.offline

export function isSameShown(one: ShownPresence, other: ShownPresence): boolean {
  return (
    one === other ||
    (one.status === other.status && one.text === other.text && one.expiresAt === other.expiresAt)
  )
}
