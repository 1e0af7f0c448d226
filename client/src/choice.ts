import { PresenceError } from './errors.ts'
import { PRINTABLE } from './ids.ts'
import { MAX_TEXT_CHARS, STATUSES, type Status } from './protocol.ts'

/** What this user has chosen, which may be more than what others see. */
export interface MyStatus {
  readonly status: Status
  readonly text?: string | undefined
  /** ISO 8601: when it falls back to a plain `online`. */
  readonly expiresAt?: string | undefined
}

/**
 * Checks a choice. It may travel in the URL of a connection, where a server closes the connection for a wrong one. Throws
 * a {@link PresenceError} `bad_message` that names the field.
 */
export function choiceOf(
  status: Status,
  text: string | undefined,
  expiresAt: Date | string | undefined,
): MyStatus {
  const end = expiresAt == null ? undefined : String(new Date(expiresAt).toJSON())
  if (!STATUSES.includes(status)) throw wrong('status', STATUSES.join(', '))
  if (text && !(PRINTABLE.test(text) && text.length <= MAX_TEXT_CHARS))
    throw wrong('text', `${MAX_TEXT_CHARS} characters at most, without control characters`)
  // A year of more than four digits begins with a sign.
  if (end && !/^\d/.test(end)) throw wrong('expiresAt', 'a Date or a time in ISO 8601')
  return { status, text, expiresAt: end }
}

function wrong(field: string, expected: string): PresenceError {
  return new PresenceError('bad_message', `"${field}" must be ${expected}`)
}
