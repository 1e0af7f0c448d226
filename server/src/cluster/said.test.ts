import { expect, test } from 'vitest'
import { MAX_SAID, Said } from './said.ts'

const KICK = ['kick', 'ann'] as const

/** Collects who was told. */
function waiter(said: Said) {
  const told: string[] = []
  const wait = (name: string, time = 0) => void said.whenRead(KICK, time).then(() => told.push(name))
  const read = async (batch: number, at: number, what: readonly string[] = KICK) => {
    said.readBack([what], { batch, at })
    await Promise.resolve()
    return told.splice(0)
  }
  return { wait, read }
}

test('[E7 E12 E20] an entry that was composed before a call does not confirm it, though it says the same', async () => {
  const said = new Said()
  const { wait, read } = waiter(said)
  wait('first')
  said.composed(1, 10)
  wait('second')
  expect(await read(1, 10, ['kick', 'bob'])).toEqual([])
  expect(await read(1, 10)).toEqual(['first'])
  said.composed(2, 20)
  expect(await read(2, 20)).toEqual(['second'])
})

test('[E7 E12 E20] an entry that is composed again has the same number, and a later time', async () => {
  const said = new Said()
  const { wait, read } = waiter(said)
  said.composed(1, 10)
  wait('late')
  said.composed(1, 11)
  // The log has the first attempt, or the second one.
  expect(await read(1, 10)).toEqual([])
  expect(await read(1, 11)).toEqual(['late'])
})

test('[E7 E12 E20] there is a limit of what waits, and who calls again and again takes no more memory', async () => {
  const said = new Said()
  for (let i = 0; i < MAX_SAID; i++) {
    expect(said.hasRoom).toBe(true)
    void said.whenRead(['end', 'ann', `${i}`], 0)
  }
  expect(said.hasRoom).toBe(false)
  // The negative control: what nobody waits for makes no room.
  said.readBack([KICK], { batch: 1, at: 1 })
  expect(said.hasRoom).toBe(false)
  said.readBack([['end', 'ann', '7']], { batch: 1, at: 1 })
  expect(said.hasRoom).toBe(true)
  const promise = said.whenRead(KICK, 0)
  expect(said.whenRead(KICK, 1)).toBe(promise)
  said.giveUp()
  expect(said.hasRoom).toBe(true)
})

test('[E7 E12 E20] nothing is kept for long of those who have waited, while each attempt fails', async () => {
  const said = new Said()
  const { wait, read } = waiter(said)
  said.composed(1, 10)
  wait('old', 0)
  said.composed(1, 9_999)
  wait('not as old', 9_999)
  said.composed(1, 10_000)
  wait('new', 10_000)
  said.composed(1, 20_000)
  expect(await read(1, 20_000)).toEqual(['not as old', 'new'])
})
