import { messages, requests } from './catalogue.ts'

/** The tables of messages for people, in Markdown: requests, and what the server says. */
export function messageTables(): string {
  return [
    '### Client to server',
    '',
    table(
      ['Message type', 'Description', 'Example', 'Answer'],
      [
        ...Object.entries(requests).map(([type, { sentence, example, reply }]) => [
          code(type),
          sentence,
          code(spaced(example)),
          reply === null ? 'none' : code(reply),
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
