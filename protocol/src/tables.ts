import { catalogue, type Dialect } from './catalogue.ts'
import { CLOSE, mayReconnect } from './close-codes.ts'

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

/** What the server's close codes ask of a client, in Markdown. */
export function closeTable(): string {
  return table(
    ['Code', 'Name', 'Come back as you are'],
    Object.entries(CLOSE)
      .toSorted(([, a], [, b]) => a - b)
      .map(([name, number]) => [
        String(number),
        code(name),
        mayReconnect(number) ? 'yes, after a delay' : 'no',
      ]),
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
