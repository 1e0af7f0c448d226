import { seeded } from '@who-is-online/testing/random'
import { describe, expect, test } from 'vitest'
import type { UserRecord } from './store.ts'
import {
  checkStart,
  contentOf,
  createState,
  flipped,
  type Reader,
  type StateOnDisk,
  Tally,
  truncated,
} from './testing/damage.ts'

const MAIN = 'user_state.json'
const BACKUP = 'user_state_backup.json'
const SEED = Number(process.env.SEED ?? 20_301)
const FLIPS = 2_000

const segmentsOf = (state: StateOnDisk) =>
  [...state.files.keys()].filter(name => name.includes('journal')).sort()

/** A common mistake: starts with an empty state if the file can't be read. Must be detected. */
const carelessReader: Reader = async disk => {
  const users = new Map<string, UserRecord>()
  try {
    const text = disk.files().get(MAIN)?.toString() ?? ''
    for (const row of JSON.parse(text).users) users.set(row.userId, { ...row, session: 'none' })
  } catch {
    // starts with an empty state
  }
  return { users, log: { errors: [] } }
}

/** Ignores checksums. Must be detected. */
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
      // skips lines that can't be read
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
    '[I8] %s, truncated at every byte',
    { timeout: 300_000 },
    async ([what, places, name, userCount]) => {
      const state = await createState(places, userCount)
      const tally = new Tally()
      const { length } = contentOf(state, name)
      for (let bytes = 0; bytes < length; bytes += 1)
        tally.add(await checkStart(state, truncated(state, name, bytes)), `${name} cut at ${bytes}`)
      report(`${what}, ${length} bytes`, tally)
      expect(tally.violations).toEqual([])
      expect(tally.counts.complete).toBe(length)
    },
  )

  test.for(['main and backup', 'main', 'journal'] as const)(
    '[I8] each journal segment with %s, truncated at every byte',
    { timeout: 300_000 },
    async places => {
      const state = await createState(places, 30)
      for (const name of segmentsOf(state)) {
        const tally = new Tally()
        const { length } = contentOf(state, name)
        for (let bytes = 0; bytes < length; bytes += 1)
          tally.add(await checkStart(state, truncated(state, name, bytes)), `${name} cut at ${bytes}`)
        report(`${name} with ${places}, ${length} bytes`, tally)
        expect(tally.violations).toEqual([])
      }
    },
  )

  test('[I8] main truncated at every byte without a backup: refused without changes', {
    timeout: 300_000,
  }, async () => {
    const { files, users } = await createState('main and backup', 60)
    const state: StateOnDisk = { files: new Map([...files].filter(([name]) => name !== BACKUP)), users }
    const tally = new Tally()
    const { length } = contentOf(state, MAIN)
    for (let bytes = 0; bytes < length - 1; bytes += 1)
      tally.add(await checkStart(state, truncated(state, MAIN, bytes)), `cut at ${bytes}`)
    report(`${MAIN} alone, ${length} bytes`, tally)
    expect(tally.violations).toEqual([])
    expect(tally.counts.refused).toBe(length - 1)
  })

  test(`[I8] ${FLIPS} flipped bits`, { timeout: 300_000 }, async () => {
    const random = seeded(SEED)
    for (const places of ['main and backup', 'main', 'journal'] as const) {
      const state = await createState(places, 40)
      const tally = new Tally()
      const names = [...state.files.keys()]
      for (let flip = 0; flip < FLIPS / 3; flip += 1) {
        const name = names[Math.floor(random() * names.length)] ?? MAIN
        const bit = Math.floor(random() * contentOf(state, name).length * 8)
        tally.add(await checkStart(state, flipped(state, name, bit)), `${name} bit ${bit}`)
      }
      report(`flips, ${places}`, tally)
      expect(tally.violations).toEqual([])
    }
  })

  test.for([
    ['starts with an empty state if it can not read', carelessReader],
    ['ignores checksums', trustingReader],
  ] as const)('control: a reader that %s is detected', async ([, reader]) => {
    const random = seeded(SEED)
    const state = await createState('main and backup', 40)
    const tally = new Tally()
    for (let flip = 0; flip < 200; flip += 1) {
      const bit = Math.floor(random() * contentOf(state, MAIN).length * 8)
      tally.add(await checkStart(state, flipped(state, MAIN, bit), reader), `bit ${bit}`)
    }
    report('control', tally)
    expect(tally.counts.violation).toBeGreaterThan(20)
  })
})
