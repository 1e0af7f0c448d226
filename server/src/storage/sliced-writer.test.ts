import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { SimulatedDisk } from './disk.fake.ts'
import { SlicedWriter, TimeSlices } from './sliced-writer.ts'

let now = 0
beforeEach(() => {
  now = 0
  vi.spyOn(performance, 'now').mockImplementation(() => now)
})
afterEach(() => {
  vi.restoreAllMocks()
})

/**
 * Writes 100 pieces of 8 KiB; encoding each takes `pieceMs`. Returns the time between yields to the event
 * loop.
 */
async function slicesOf(pieceMs: number): Promise<number[]> {
  const slices = new TimeSlices('urgent')
  const lengths: number[] = []
  let start = now
  const yieldToLoop = slices.yield.bind(slices)
  slices.yield = async () => {
    lengths.push(now - start)
    await yieldToLoop()
    start = now
  }
  const disk = new SimulatedDisk()
  await disk.makeDirectory('/data', 'with parents')
  const writer = new SlicedWriter(await disk.create('/data/file'))
  await writer.write(
    (function* () {
      for (let piece = 0; piece < 100; piece += 1) {
        yield 'x'.repeat(8 * 1024)
        now += pieceMs
      }
    })(),
    slices,
  )
  expect(writer.bytes).toBe(100 * 8 * 1024)
  return lengths
}

test('a long write yields to the event loop after every slice of 1 ms', async () => {
  const lengths = await slicesOf(0.4)
  expect(lengths.length).toBeGreaterThanOrEqual(30)
  expect(Math.max(...lengths)).toBeLessThan(1 + 0.4 + 0.01)
})

test('control: a short write does not yield', async () => {
  expect(await slicesOf(0)).toEqual([])
})

test('stop ends the work at the next yield', async () => {
  const slices = new TimeSlices('background')
  slices.stop(new Error('stopped'))
  await expect(slices.yield()).rejects.toThrow('stopped')
})
