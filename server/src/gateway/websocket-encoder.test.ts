import { expect, test } from 'vitest'
import { deflated } from './deflate.ts'
import { framesIn } from './frames.ts'
import { webSocketEncoder } from './websocket-encoder.ts'

/** Texts whose frames have headers of 2, 4 and 10 bytes, and whose characters have 1 to 4 bytes. */
const TEXTS = ['', 'a', 'ä'.repeat(63), '\u{1f642}'.repeat(2_000), 'x'.repeat(65_536), '{"type":"pong"}']

test('[B1] each message is one text frame, alone and in a run', () => {
  const { encode, encodeAll } = webSocketEncoder
  const run = encodeAll(TEXTS)
  expect(run).toEqual(Buffer.concat(TEXTS.map(encode)))
  const frames = [...framesIn(run)]
  expect(frames.map(({ payload }) => payload.toString())).toEqual(TEXTS)
  expect(frames.map(({ frame }) => frame[0])).toEqual(TEXTS.map(() => 0x81))
  expect(encodeAll([])).toHaveLength(0)
})

test('[B1] lengthOf is the number of bytes of a message', () => {
  const { encode, lengthOf } = webSocketEncoder
  expect(TEXTS.map(lengthOf)).toEqual(TEXTS.map(text => encode(text).length))
})

test('[B8] only shared messages may be compressed, and sharing returns the same bytes', () => {
  const { encode, share } = webSocketEncoder
  const text = '{"users":[]}'.repeat(100)
  const [own, shared] = [encode(text), encode(text)]
  expect(share(shared)).toBe(shared)
  expect(deflated(own)).toBe(own)
  expect(deflated(shared).length).toBeLessThan(shared.length / 2)
})
