import { beforeEach, describe, expect, test } from 'vitest'
import type { ChangeStream, StoreRequest } from './change-stream.ts'

/**
 * What every adapter of the stream of changes does.
 *
 * @param fresh returns a stream without a content
 */
export function changeStreamSuite(fresh: () => Promise<ChangeStream>): void {
  describe('stream of changes', () => {
    let stream: ChangeStream
    beforeEach(async () => {
      stream = await fresh()
    })

    const EPOCH = '1700000000000'
    const at = (seq: number, epoch = EPOCH) => ({ epoch, seq })
    const store = (expected: number | undefined, to: number, more: Partial<StoreRequest> = {}) =>
      stream.store({
        expected: expected === undefined ? undefined : at(expected),
        beginAt: undefined,
        entries: [],
        to: at(to),
        dropped: 0,
        ...more,
      })
    const entry = (seq: number) => ({ seq, content: `é\n${seq}` })
    const chain = async (after = 0) =>
      (await stream.read(at(after), 100)).map(({ after, seq }) => `${after}<${seq}`).join(' ')

    test('[N12] it begins empty, and knows up to where it has everything', async () => {
      expect(await stream.end()).toBeUndefined()
      expect(await stream.read(at(0), 10)).toEqual([])
      expect(await store(undefined, 12, { beginAt: 10, entries: [entry(11)] })).toEqual(at(12))
      expect(await stream.end()).toEqual(at(12))
      expect(await stream.read(at(10), 10)).toEqual([{ after: 10, ...entry(11) }])
      expect(await chain()).toBe('10<10 10<11')
      // Without a change, only the end moves.
      expect(await store(12, 15)).toEqual(at(15))
      expect(await store(15, 16, { entries: [entry(16)] })).toEqual(at(16))
      expect([await chain(), await chain(11), await chain(16)]).toEqual(['10<10 10<11 11<16', '11<16', ''])
    })

    test('[N12] only what continues the end is stored, so two writers leave nothing out and nothing twice', async () => {
      await store(undefined, 10, { beginAt: 10 })
      expect(await store(10, 12, { entries: [entry(11), entry(12)] })).toEqual(at(12))
      // The same again, a part of it, and one that leaves something out.
      for (const expected of [10, 11, 13, undefined]) {
        expect(await store(expected, 20, { entries: [entry(14)] })).toEqual(at(12))
      }
      expect(await store(undefined, 20, { beginAt: 20 })).toEqual(at(12))
      expect(await store(12, 20, { expected: at(12, '1699999999999') })).toEqual(at(12))
      expect(await chain()).toBe('10<10 10<11 11<12')
    })

    test('[N12] another stream replaces it, also with smaller numbers, and only its epoch is read', async () => {
      await store(undefined, 11, { beginAt: 10, entries: [entry(11)] })
      expect(await store(11, 7, { beginAt: 5, entries: [entry(7)] })).toEqual(at(7))
      expect([await stream.end(), await chain()]).toEqual([at(7), '5<5 5<7'])
      const later = '1700000000001'
      expect(await store(7, 9, { beginAt: 8, to: at(9, later) })).toEqual(at(9, later))
      expect([await stream.end(), await chain()]).toEqual([at(9, later), ''])
      expect(await stream.read(at(0, later), 10)).toMatchObject([{ after: 8, seq: 8 }])
    })

    test('[N12] old entries are dropped some time, and the next one still names the one before', async () => {
      await store(undefined, 1, { beginAt: 1 })
      let end = 1
      for (let round = 0; round < 40; round++, end += 20) {
        const entries = Array.from({ length: 20 }, (_, index) => entry(end + index + 1))
        await store(end, end + 20, { entries, dropped: Math.max(0, end - 100) })
      }
      const rest = await stream.read(at(0), 1_000)
      expect(rest.length).toBeGreaterThanOrEqual(100)
      expect(rest.length).toBeLessThan(400)
      for (const [index, { after }] of rest.entries()) {
        if (index > 0) expect(after).toBe(rest[index - 1]?.seq)
      }
      expect(await stream.read(at(end - 3), 2)).toMatchObject([{ seq: end - 2 }, { seq: end - 1 }])
    })
  })
}
