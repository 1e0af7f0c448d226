import { messages, type ServerMessage } from './catalogue.ts'

const keysOf = new Map<string, readonly string[]>(
  Object.entries(messages).map(([type, { schema }]) => [type, Object.keys(schema.properties)]),
)

/** The text of a message, its keys in the order of the catalogue whatever order the object has them in. */
export function encode(message: ServerMessage): string {
  const fields = message as unknown as Record<string, unknown>
  let text = ''
  for (const key of keysOf.get(message.type) ?? []) {
    const value = fields[key]
    if (value !== undefined) text += `${text === '' ? '{' : ','}"${key}":${JSON.stringify(value)}`
  }
  return `${text}}`
}

/** A time in milliseconds since the epoch as it goes over the wire: ISO 8601, UTC, milliseconds. */
export function formatTime(time: number): string {
  return new Date(time).toISOString()
}
