import { expect, test } from 'vitest'
import { LineWriter, type Sink } from './line-writer.ts'

/** A sink that fails or hangs when the test wants it to. */
class FakeSink implements Sink {
  readonly written: string[] = []
  readonly checks: number[] = []
  error: Error | undefined
  isHanging = false
  release: () => void = () => {}

  async write(text: string): Promise<void> {
    if (this.isHanging) await new Promise<void>(resolve => (this.release = resolve))
    if (this.error) throw this.error
    this.written.push(text)
  }
}

function begin() {
  const sink = new FakeSink()
  const reasons: string[] = []
  const writer = new LineWriter(sink, reason => reasons.push(reason))
  const tick = async (): Promise<void> => {
    writer.tick(() => 'trial\n')
    await settle()
  }
  return { sink, reasons, writer, tick }
}

const settle = () => new Promise(resolve => setImmediate(resolve))

test('[G3] lines are written in order, and lines that come during a write are written together', async () => {
  const { sink, writer } = begin()
  for (const line of ['a\n', 'b\n', 'c\n']) writer.write(line)
  await writer.idle()
  expect(sink.written).toEqual(['a\n', 'b\nc\n'])
  expect(writer.dropped).toBe(0)
})

test('[G3] a failing sink is reported once and tried once per tick, and every lost line is counted', async () => {
  const { sink, reasons, writer, tick } = begin()
  sink.error = new Error('EPIPE')
  for (const line of ['a\n', 'b\n', 'c\n']) writer.write(line)
  await settle()
  for (let n = 0; n < 7; n++) writer.write('d\n')
  await tick()
  await tick()
  expect(reasons).toEqual(['EPIPE'])
  expect(writer.dropped).toBe(10)
  expect(writer.inTrouble).toBe(true)

  sink.error = undefined
  writer.write('before the trial\n')
  expect(writer.dropped).toBe(11)
  await tick()
  writer.write('e\n')
  await writer.idle()
  expect(sink.written).toEqual(['trial\n', 'e\n'])
  expect(writer.inTrouble).toBe(true)
  await tick()
  expect(writer.inTrouble).toBe(false)
  expect(writer.dropped).toBe(11)
})

test('[G3] the trouble does not end if lines are lost after a successful trial', async () => {
  const { sink, reasons, writer, tick } = begin()
  sink.error = new Error('ENOSPC')
  writer.write('a\n')
  await settle()
  sink.error = undefined
  await tick()
  sink.error = new Error('ENOSPC')
  writer.write('b\n')
  await settle()
  await tick()
  expect(writer.inTrouble).toBe(true)
  expect(reasons).toHaveLength(1)
})

test('[G3] a sink that hangs needs limited memory, and the waiting lines are written when it continues', async () => {
  const { sink, reasons, writer, tick } = begin()
  sink.isHanging = true
  const line = `${'x'.repeat(999)}\n`
  for (let n = 0; n < 5_000; n++) writer.write(line)
  expect(reasons).toEqual(['the reader is too slow'])
  await tick()
  sink.isHanging = false
  sink.release()
  await writer.idle()
  const kept = sink.written.join('').length / line.length
  expect(kept).toBeLessThanOrEqual(1 + 256 * 1.024)
  expect(writer.dropped).toBe(5_000 - kept)
  await tick()
  await tick()
  expect(writer.inTrouble).toBe(false)
  expect(sink.written.at(-1)).toBe('trial\n')
})

test('[G3] a write that hangs is reported after some ticks, even if few lines wait', async () => {
  const { sink, reasons, writer, tick } = begin()
  sink.isHanging = true
  writer.write('a\n')
  for (let n = 0; n < 20; n++) await tick()
  expect(reasons).toEqual(['it does not respond'])
  expect(writer.dropped).toBe(0)
})

test('[G3] a sink that throws counts as failing', async () => {
  const reasons: string[] = []
  const sink: Sink = {
    write() {
      throw new Error('broken')
    },
  }
  const writer = new LineWriter(sink, reason => reasons.push(reason))
  writer.write('a\n')
  await writer.idle()
  expect(reasons).toEqual(['broken'])
  expect(writer.dropped).toBe(1)
})

test('[G4] a failed check is reported before any line is lost', async () => {
  const { sink, reasons, writer, tick } = begin()
  const failing = Object.assign(sink, { check: () => Promise.reject(new Error('ENOTDIR')) })
  await tick()
  expect(reasons).toEqual(['ENOTDIR'])
  expect(writer.dropped).toBe(0)
  failing.check = () => Promise.resolve() as Promise<never>
  await tick()
  await tick()
  expect(writer.inTrouble).toBe(false)
})
