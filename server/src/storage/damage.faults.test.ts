import { seeded } from '@who-is-online/testing/random'
import { describe, expect, test } from 'vitest'
import type { UserRecord } from './store.ts'
import { contentOf, cutOff, flipped, judge, type Left, leave, type Reader, Tally } from './testing/damage.ts'

const MAIN = 'user_state.json'
const BACKUP = 'user_state_backup.json'
const SEED = Number(process.env.SEED ?? 20_301)
const FLIPS = 2_000

const segmentsOf = (left: Left) => [...left.files.keys()].filter(name => name.includes('journal')).sort()

/** What many a service does: reads the file, and starts with nobody when it can't. Must be caught. */
const carelessReader: Reader = async disk => {
  const users = new Map<string, UserRecord>()
  try {
    const text = disk.files().get(MAIN)?.toString() ?? ''
    for (const row of JSON.parse(text).users) users.set(row.userId, { ...row, session: 'none' })
  } catch {
    // starts with nobody
  }
  return { users, log: { errors: [] } }
}

/** Reads everything but looks at no checksum. Must be caught. */
const trustingReader: Reader = async disk => {
  const users = new Map<string, UserRecord>()
  const rows = [MAIN, ...[...disk.files().keys()].filter(name => name.includes('journal')).sort()]
    .flatMap(name => (disk.files().get(name)?.toString() ?? '').split('\n'))
    .map(line => line.replace(/^.*?(?=\{)/, '').replace(/,$/, ''))
  for (const row of rows) {
    try {
      const record = JSON.parse(row)
      if (record.userId !== undefined) users.set(record.userId, record)
    } catch {
      // skips what it can't read
    }
  }
  return { users, log: { errors: [] } }
}

function report(what: string, tally: Tally): void {
  console.log(
    `${what}: seed ${SEED}, N ${Object.values(tally.counts).reduce((a, b) => a + b)}, violations ${tally.counts.violation}`,
    tally.counts,
  )
}

describe('damaged files', () => {
  test.for([
    ['main, with a backup', 'main and backup', MAIN, 60],
    ['main, without a backup', 'main', MAIN, 60],
    ['backup', 'main and backup', BACKUP, 60],
  ] as const)(
    '[I8] %s, cut off at every byte',
    { timeout: 300_000 },
    async ([what, places, name, userCount]) => {
      const left = await leave(places, userCount)
      const tally = new Tally()
      const { length } = contentOf(left, name)
      for (let bytes = 0; bytes < length; bytes += 1)
        tally.add(await judge(left, cutOff(left, name, bytes)), `${name} cut at ${bytes}`)
      report(`${what}, ${length} bytes`, tally)
      expect(tally.violations).toEqual([])
      expect(tally.counts.whole).toBe(length)
    },
  )

  test.for(['main and backup', 'main', 'journal'] as const)(
    '[I8] each journal segment beside %s, cut off at every byte',
    { timeout: 300_000 },
    async places => {
      const left = await leave(places, 30)
      for (const name of segmentsOf(left)) {
        const tally = new Tally()
        const { length } = contentOf(left, name)
        for (let bytes = 0; bytes < length; bytes += 1)
          tally.add(await judge(left, cutOff(left, name, bytes)), `${name} cut at ${bytes}`)
        report(`${name} beside ${places}, ${length} bytes`, tally)
        expect(tally.violations).toEqual([])
      }
    },
  )

  test('[I8] main cut off at every byte where nothing else is left: refused, and nothing changed', {
    timeout: 300_000,
  }, async () => {
    const { files, users } = await leave('main and backup', 60)
    const left: Left = { files: new Map([...files].filter(([name]) => name !== BACKUP)), users }
    const tally = new Tally()
    const { length } = contentOf(left, MAIN)
    for (let bytes = 0; bytes < length - 1; bytes += 1)
      tally.add(await judge(left, cutOff(left, MAIN, bytes)), `cut at ${bytes}`)
    report(`${MAIN} alone, ${length} bytes`, tally)
    expect(tally.violations).toEqual([])
    expect(tally.counts.refused).toBe(length - 1)
  })

  test(`[I8] ${FLIPS} flipped bits`, { timeout: 300_000 }, async () => {
    const random = seeded(SEED)
    for (const places of ['main and backup', 'main', 'journal'] as const) {
      const left = await leave(places, 40)
      const tally = new Tally()
      const names = [...left.files.keys()]
      for (let flip = 0; flip < FLIPS / 3; flip += 1) {
        const name = names[Math.floor(random() * names.length)] ?? MAIN
        const bit = Math.floor(random() * contentOf(left, name).length * 8)
        tally.add(await judge(left, flipped(left, name, bit)), `${name} bit ${bit}`)
      }
      report(`flips, ${places}`, tally)
      expect(tally.violations).toEqual([])
    }
  })

  test.for([
    ['starts with nobody when it can not read', carelessReader],
    ['looks at no checksum', trustingReader],
  ] as const)('control: a reader that %s is caught', async ([, reader]) => {
    const random = seeded(SEED)
    const left = await leave('main and backup', 40)
    const tally = new Tally()
    for (let flip = 0; flip < 200; flip += 1) {
      const bit = Math.floor(random() * contentOf(left, MAIN).length * 8)
      tally.add(await judge(left, flipped(left, MAIN, bit), reader), `bit ${bit}`)
    }
    report('control', tally)
    expect(tally.counts.violation).toBeGreaterThan(20)
  })
})
