import { messages, type ServerMessage } from './catalogue.ts'

/** How each type is sent: what every such message begins with, and what stands before each further value. */
const forms = new Map<
  string,
  { readonly head: string; readonly fields: readonly (readonly [string, string])[] }
>(
  Object.entries(messages).map(([type, { schema }]) => [
    type,
    {
      head: `{"type":"${type}"`,
      fields: Object.keys(schema.properties)
        .filter(key => key !== 'type')
        .map(key => [key, `,"${key}":`]),
    },
  ]),
)

/** The text of a message, its keys in the order of the catalogue whatever order the object has them in. */
export function encode(message: ServerMessage): string {
  const { head, fields } = forms.get(message.type) ?? { head: '{', fields: [] }
  const values = message as unknown as Record<string, unknown>
  let text = head
  for (const [key, before] of fields) {
    const value = values[key]
    if (value === undefined) continue
    text +=
      before +
      (typeof value === 'string' || typeof value === 'object' ? JSON.stringify(value) : String(value))
  }
  return `${text}}`
}

/** What ends a time, by its milliseconds. */
const MILLISECONDS = Array.from({ length: 1_000 }, (_, ms) => `.${String(ms).padStart(3, '0')}Z`)

/** What begins a time, for the seconds that were asked for last: under load it is the same few over and over. */
const SECONDS = Array.from({ length: 256 }, () => ({ second: Number.NaN, text: '' }))

/** A time in milliseconds since the epoch, a whole number, as it goes over the wire: ISO 8601, UTC, milliseconds. */
export function formatTime(time: number): string {
  const second = Math.floor(time / 1_000)
  const known = SECONDS[((second % SECONDS.length) + SECONDS.length) % SECONDS.length] as (typeof SECONDS)[0]
  if (known.second !== second) {
    known.text = new Date(time).toISOString().slice(0, -5)
    known.second = second
  }
  return known.text + MILLISECONDS[time - second * 1_000]
}
