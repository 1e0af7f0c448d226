import { catalogue, type ProtocolVersion, type User } from './catalogue.ts'
import { CLOSE, CLOSE_ADVICE } from './close-codes.ts'
import { user } from './fields.ts'
import { ERROR_CODES } from './v2.ts'

/** Markdown tables of all requests and messages of a protocol version. */
export function messageTables(version: ProtocolVersion): string {
  const { requests, messages } = catalogue[version]
  return [
    '### Client to server',
    '',
    table(
      ['Message type', 'Description', 'Example', 'Reply'],
      [
        ...Object.entries(requests).map(([type, { sentence, example, replies }]) => [
          code(type),
          sentence,
          code(spaced(example)),
          replies.length === 0 ? 'none' : replies.map(code).join(' or '),
        ]),
      ],
    ),
    '',
    '### Server to client',
    '',
    table(
      ['Message type', 'Description', 'Example'],
      [
        ...Object.entries(messages).map(([type, { sentence, example }]) => [
          code(type),
          sentence,
          code(spaced(example)),
        ]),
      ],
    ),
  ].join('\n')
}

export const USER_FIELDS: Readonly<Record<keyof User, string>> = {
  userId: 'the id of the user',
  status: 'what others see: `online`, `away`, `busy` or `offline`',
  lastSeen: 'the time of the last sign of life, ISO 8601 in UTC; `null` if others have never seen the user',
  username: 'the display name, if one was set',
  text: 'the status text, if the user set one; absent while offline',
  expiresAt: 'when the status returns to `online`, if the user set an expiry; absent while offline',
  since:
    'when the status began, ISO 8601 in UTC; `null` if that is not known; absent while offline, and in a `presence_diff` if it is the same as `lastSeen` to within a second',
}

/** A Markdown table of the fields of a user. */
export function userTable(): string {
  return table(
    ['Key', 'Always present', 'Meaning'],
    Object.entries(USER_FIELDS).map(([key, meaning]) => [
      code(key),
      user.required.some(required => required === key) ? 'yes' : 'no',
      meaning,
    ]),
  )
}

/** A Markdown table of the close codes. */
export function closeTable(): string {
  const names = Object.keys(CLOSE) as (keyof typeof CLOSE)[]
  return table(
    ['Code', 'Meaning', 'What to do'],
    names.map(name => [String(CLOSE[name]), CLOSE_ADVICE[name].meaning, CLOSE_ADVICE[name].advice]),
  )
}

/** A Markdown table of the codes of `error`. */
export function errorTable(): string {
  return table(
    ['Code', 'Meaning'],
    Object.entries(ERROR_CODES).map(([name, meaning]) => [code(name), meaning]),
  )
}

/** A Markdown table. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map(cell => cell.replaceAll('|', '\\|')).join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}

/** A text as code in Markdown. */
export function code(text: string): string {
  return `\`${text}\``
}

/** JSON in one line, with spaces. */
export function spaced(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(spaced).join(', ')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const fields = Object.entries(value).map(([key, inner]) => `${JSON.stringify(key)}: ${spaced(inner)}`)
  return `{ ${fields.join(', ')} }`
}
