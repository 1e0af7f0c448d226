import { createHash } from 'node:crypto'
import { constants, inflateRawSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { deflatable, deflated } from './deflate.ts'
import { framesIn, textFrame, textFrames } from './frames.ts'

/** What each flushed message ends with, and a sender leaves out (RFC 7692, section 7.2.1). */
const TAIL = Buffer.from([0x00, 0x00, 0xff, 0xff])

/** A client with compression. It keeps its window between messages. */
class Client {
  #window = Buffer.alloc(0)

  /** Returns the texts of a run. */
  read(run: Buffer): string[] {
    return [...framesIn(run)].map(({ frame, payload }) =>
      frame[0] === 0xc1 ? this.#inflate(payload) : `${payload}`,
    )
  }

  #inflate(payload: Buffer): string {
    const text = inflateRawSync(Buffer.concat([payload, TAIL]), {
      finishFlush: constants.Z_SYNC_FLUSH,
      ...(this.#window.length > 0 && { dictionary: this.#window }),
    })
    this.#window = Buffer.concat([this.#window, text]).subarray(-32_768)
    return text.toString()
  }
}

/** Messages that are similar, but all different. */
function changes(from: number, count: number): string[] {
  return Array.from({ length: count }, (_, n) => `{"type":"user_status_change","userId":"ann-${from + n}"}`)
}

/** A text of random letters. A short one does not become smaller. */
function noise(chars: number): string {
  return createHash('shake256', { outputLength: chars }).update('noise').digest('base64').slice(0, chars)
}

const runOf = (texts: readonly string[]) => deflatable(textFrames(texts))
const kindsIn = (run: Buffer) => [...framesIn(run)].map(({ frame }) => frame[0])

test('[B8] a client gets the same messages: short, long, empty, and those that are not worth deflating', () => {
  const texts = [
    ...changes(0, 3),
    '',
    noise(40),
    'ä'.repeat(2_000),
    noise(4_000),
    ...changes(2, 3),
    'x'.repeat(9_000),
  ]
  const run = runOf(texts)
  expect(new Client().read(deflated(run))).toEqual(texts)
  expect(deflated(run).length).toBeLessThan(run.length)
})

test('[B8] what a client was sent before does not matter, so all clients can get the same bytes', () => {
  const [early, late] = [new Client(), new Client()]
  const runs = [0, 50, 100].map(from =>
    deflated(runOf([...changes(from, 20), noise(300), ...changes(from, 5)])),
  )
  const read = runs.map(run => early.read(run))
  expect(late.read(runs[2] as Buffer)).toEqual(read[2])
  expect(read[1]).toEqual([...changes(50, 20), noise(300), ...changes(50, 5)])
})

test('[B8] a message that does not become smaller is sent as it is, and later ones do not refer to it', () => {
  const random = noise(60)
  const run = deflated(runOf([random, random, ...changes(0, 4)]))
  expect(kindsIn(run)).toEqual([0x81, 0x81, 0xc1, 0xc1, 0xc1, 0xc1])
  expect([...framesIn(run)][1]?.frame).toEqual(textFrame(random))
})

test('[B8] messages refer to earlier messages of the run, which makes similar ones small', () => {
  const [first = 0, ...later] = [...framesIn(deflated(runOf(changes(0, 20))))].map(
    ({ payload }) => payload.length,
  )
  expect(Math.max(...later)).toBeLessThan(first / 2)
})

test('[B8] a run is deflated once, also if it is marked again', () => {
  const run = runOf(changes(0, 20))
  const once = deflated(run)
  expect(once).not.toBe(run)
  expect(deflated(run)).toBe(once)
  expect(deflatable(run)).toBe(run)
  expect(deflated(run)).toBe(once)
})

test('[B8] only runs of 256 bytes or more are deflated, and only if they are marked', () => {
  const frame = (bytes: number) => textFrame('x'.repeat(bytes - 4))
  expect([frame(255), frame(256)].map(run => run.length)).toEqual([255, 256])
  const [short, long, own] = [deflatable(frame(255)), deflatable(frame(256)), frame(256)]
  expect(deflated(short)).toBe(short)
  expect(deflated(long).length).toBeLessThan(50)
  expect(deflated(own)).toBe(own)
})

test('[B8] a run of more than 500 messages is not deflated, so that it does not block the event loop', () => {
  const [some, many] = [runOf(changes(0, 500)), runOf(changes(0, 501))]
  expect(deflated(some).length).toBeLessThan(some.length / 2)
  expect(deflated(many)).toBe(many)
})
