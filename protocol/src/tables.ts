import { catalogue, type Dialect, type User } from './catalogue.ts'
import { CLOSE, CLOSE_ADVICE } from './close-codes.ts'
import { user } from './fields.ts'
import { ERROR_CODES } from './v2.ts'

/** The tables of messages for people, in Markdown: requests, and what the server says. */
export function messageTables(dialect: Dialect): string {
  const { requests, messages } = catalogue[dialect]
  return [
    '### Client to server',
    '',
    table(
      ['Message type', 'Description', 'Example', 'Answer'],
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

const USER_FIELDS: Readonly<Record<keyof User, string>> = {
  userId: 'who',
  status: 'what others see: `online`, `away`, `busy` or `offline`',
  lastSeen: 'the last proof of life, ISO 8601 in UTC; `null` for a user never seen',
  username: 'the name, if there is one',
  text: 'the text beside the status, if the user gave one; not while offline',
  expiresAt: 'when the status falls back to `online`, if the user said so; not while offline',
}

/** What a list of users has of each, in Markdown. */
export function userTable(): string {
  return table(
    ['Key', 'Always there', 'What it is'],
    Object.entries(USER_FIELDS).map(([key, meaning]) => [
      code(key),
      user.required.some(required => required === key) ? 'yes' : 'no',
      meaning,
    ]),
  )
}

/** Why the server closes connections and what a client should do, in Markdown. */
export function closeTable(): string {
  const names = Object.keys(CLOSE) as (keyof typeof CLOSE)[]
  return table(
    ['Code', 'Meaning', 'What to do'],
    names.map(name => [String(CLOSE[name]), CLOSE_ADVICE[name].meaning, CLOSE_ADVICE[name].advice]),
  )
}

/** The codes of `error`, in Markdown. */
export function errorTable(): string {
  return table(
    ['Code', 'Meaning'],
    Object.entries(ERROR_CODES).map(([name, meaning]) => [code(name), meaning]),
  )
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map(cell => cell.replaceAll('|', '\\|')).join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}

function code(text: string): string {
  return `\`${text}\``
}

/** JSON in one line, with room to read. */
function spaced(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(spaced).join(', ')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const fields = Object.entries(value).map(([key, inner]) => `${JSON.stringify(key)}: ${spaced(inner)}`)
  return `{ ${fields.join(', ')} }`
}
