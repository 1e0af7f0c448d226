import { expect, test } from 'vitest'
import { messages, type ServerMessage } from './catalogue.ts'
import { encode, formatTime } from './encode.ts'

test.each(Object.entries(messages))(
  '[P6] %s is sent with its keys in the order of the catalogue',
  (_type, entry) => {
    const example = entry.example as ServerMessage
    expect(encode(example)).toBe(JSON.stringify(example))
    const shuffled = Object.fromEntries(Object.entries(example).reverse())
    expect(encode(shuffled as ServerMessage)).toBe(JSON.stringify(example))
  },
)

test('[P7] times are ISO 8601 in UTC with milliseconds', () => {
  expect(formatTime(1_682_418_600_000)).toBe('2023-04-25T10:30:00.000Z')
  for (const time of [0, -1, -1_000, 999, 1_000, 8.64e15, 253_402_300_799_999, 951_782_399_999]) {
    expect(formatTime(time)).toBe(new Date(time).toISOString())
  }
  for (let n = 0; n < 10_000; n++) {
    const time = 1_700_000_000_000 + n * 7_919
    expect(formatTime(time)).toBe(new Date(time).toISOString())
  }
})
