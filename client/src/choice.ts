import { invalid } from './errors.ts'
import { PRINTABLE } from './ids.ts'
import { MAX_TEXT_CHARS, STATUSES, type Status } from './protocol.ts'

/** What this user has chosen. Others may see less, see `PresenceClient.myStatus`. */
export interface MyStatus {
  readonly status: Status
  /** A text beside the status, of at most 128 UTF-16 code units. */
  readonly text?: string | undefined
  /** When the status falls back to `online` without a text. ISO 8601, UTC. */
  readonly expiresAt?: string | undefined
}

/**
 * Checks a choice before it is sent: in the URL of a connection, an invalid one would make the server close
 * it. Throws a `PresenceError` `bad_message` that names the field.
 */
export function validChoice(
  status: Status,
  text: string | undefined,
  expiresAt: Date | string | undefined,
): MyStatus {
  const end = expiresAt == null ? undefined : `${new Date(expiresAt).toJSON()}`
  if (!STATUSES.includes(status)) throw invalid('status', STATUSES.join(', '))
  if (text && !(PRINTABLE.test(text) && text.length <= MAX_TEXT_CHARS))
    throw invalid('text', `at most ${MAX_TEXT_CHARS} characters without control characters`)
  // An invalid date is "null", and a year of more than four digits begins with a sign, which the server refuses.
  if (end && !/^\d/.test(end)) throw invalid('expiresAt', 'a Date or a time in ISO 8601')
  return { status, text, expiresAt: end }
}
