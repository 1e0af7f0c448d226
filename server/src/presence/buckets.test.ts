import { expect, test } from 'vitest'
import { BUCKET_COUNT, Buckets, bucketOf } from './buckets.ts'

/** Buckets of users whose positions are kept beside, as `UserTable` does. */
class Users {
  readonly #ids: (string | undefined)[] = []
  readonly #positions = new Map<string, number>()
  readonly #free: number[] = []
  readonly #buckets = new Buckets(position => this.#ids[position] as string)
  readonly after = this.#buckets.after.bind(this.#buckets)
  readonly nextFilled = this.#buckets.nextFilled.bind(this.#buckets)

  add(id: string): void {
    const position = this.#free.pop() ?? this.#ids.length
    this.#ids[position] = id
    this.#positions.set(id, position)
    this.#buckets.add(id, position)
  }

  delete(id: string): void {
    const position = this.#positions.get(id) as number
    this.#buckets.delete(id, position)
    this.#positions.delete(id)
    this.#ids[position] = undefined
    this.#free.push(position)
  }
}

/** All users in order. */
function all(buckets: Pick<Users, 'after'>): string[] {
  const users: string[] = []
  for (let bucket = 0; bucket < BUCKET_COUNT; bucket++) users.push(...buckets.after({ bucket, after: '' }))
  return users
}

test('[R16] the order depends on the ids alone, not on who came when or who left', () => {
  const ids = Array.from({ length: 500 }, (_, n) => `user-${n}`)
  const one = new Users()
  for (const id of ids) one.add(id)
  const other = new Users()
  for (const id of ids.toReversed()) {
    other.add(`${id}-left`)
    other.add(id)
    other.delete(`${id}-left`)
  }
  expect(all(other)).toEqual(all(one))
  expect(all(one).toSorted()).toEqual(ids.toSorted())
})

test('[R16] users are spread over the buckets', () => {
  const buckets = new Users()
  for (let n = 0; n < 100 * BUCKET_COUNT; n++) buckets.add(`${n}`)
  let largest = 0
  for (let bucket = 0; bucket < BUCKET_COUNT; bucket++) {
    largest = Math.max(largest, buckets.after({ bucket, after: '' }).length)
  }
  expect(largest).toBeLessThan(200)
})

test('[R16] a place within a bucket is good though its user has left', () => {
  const buckets = new Users()
  for (let n = 0; n < 20_000; n++) buckets.add(`${n}`)
  const bucket = buckets.nextFilled(7) as number
  const [first = '', second = '', ...rest] = buckets.after({ bucket, after: '' })
  buckets.delete(second)
  expect(buckets.after({ bucket, after: second })).toEqual(rest)
  expect(buckets.after({ bucket, after: first })).toEqual(rest)
  expect(buckets.nextFilled(BUCKET_COUNT)).toBeUndefined()
})

test('[R16] a bucket stays in order while users come and go between two reads', () => {
  const buckets = new Users()
  const ids = Array.from({ length: 30 * BUCKET_COUNT }, (_, n) => `${n}`)
  for (const id of ids) buckets.add(id)
  const bucket = buckets.nextFilled(7) as number
  const here = buckets.after({ bucket, after: '' })
  expect(here).toEqual(here.toSorted())
  const gone = here.filter((_, n) => n % 2 === 0)
  for (const id of gone) buckets.delete(id)
  expect(buckets.after({ bucket, after: '' })).toEqual(here.filter((_, n) => n % 2 === 1))
  for (const id of gone.toReversed()) buckets.add(id)
  expect(buckets.after({ bucket, after: '' })).toEqual(here)
  expect(buckets.after({ bucket, after: here[4] as string })).toEqual(here.slice(5))
  for (const id of here) buckets.delete(id)
  expect(buckets.after({ bucket, after: '' })).toEqual([])
  for (const id of here.toReversed()) buckets.add(id)
  expect(buckets.after({ bucket, after: '' })).toEqual(here)
})

test('[R16] buckets that were read stay in order, however many others are read meanwhile', () => {
  const buckets = new Users()
  const ids = Array.from({ length: 3 * BUCKET_COUNT }, (_, n) => `${n}`)
  for (const id of ids) buckets.add(id)
  const before = all(buckets)
  for (const id of ids) if (Number(id) % 3 === 0) buckets.delete(id)
  expect(all(buckets)).toEqual(before.filter(id => Number(id) % 3 !== 0))
  for (const id of ids.toReversed()) if (Number(id) % 3 === 0) buckets.add(id)
  expect(all(buckets)).toEqual(before)
})

test('[R16] with a filter, the wanted users of a bucket are found in order, whether it was read before or not', () => {
  const buckets = new Users()
  for (let n = 0; n < 30 * BUCKET_COUNT; n++) buckets.add(`${n}`)
  const bucket = buckets.nextFilled(7) as number
  const isWanted = (position: number) => position % 3 === 0
  const wanted = buckets.after({ bucket, after: '' }, isWanted)
  const here = buckets.after({ bucket, after: '' })
  expect(wanted.length).toBeGreaterThan(5)
  // The position of a user is the number in the id.
  expect(wanted).toEqual(here.filter(id => isWanted(Number(id))))
  expect(buckets.after({ bucket, after: '' }, isWanted)).toEqual(expect.arrayContaining(wanted))
  const other = buckets.nextFilled(bucket + 1) as number
  const [first = '', ...rest] = buckets.after({ bucket: other, after: '' }, isWanted)
  expect(buckets.after({ bucket: other, after: first }, isWanted)).toEqual(rest)
})

test('[R16] a bucket of chosen ids stays in order', () => {
  const buckets = new Users()
  const bucket = 7
  const chosen: string[] = []
  for (let n = 0; chosen.length < 1_200; n++) if (bucketOf(`${n}`) === bucket) chosen.push(`${n}`)
  for (const id of chosen.slice(0, 1_100)) buckets.add(id)
  let asked = 0
  const isWanted = () => ++asked > 0
  expect(buckets.after({ bucket, after: '' }, isWanted)).toEqual(chosen.slice(0, 1_100).toSorted())
  // Such a bucket is read once, and not again for each page.
  asked = 0
  expect(buckets.after({ bucket, after: '' }, isWanted)).toHaveLength(1_100)
  expect(asked).toBe(0)
  expect(buckets.after({ bucket, after: '' })).toEqual(chosen.slice(0, 1_100).toSorted())
  for (const id of chosen.slice(1_100)) buckets.add(id)
  for (const id of chosen.slice(0, 300)) buckets.delete(id)
  expect(buckets.after({ bucket, after: '' })).toEqual(chosen.slice(300).toSorted())
})
