import { setTimeout as sleep } from 'node:timers/promises'
import { Client, type Link } from './client.ts'
import type { BareCount, NewcomersOrder } from './orders.ts'

/** How long to wait for the last welcome, in ms. */
const LAST_WELCOME_MS = 10_000

/** Connects new clients at a steady rate, whether earlier ones were welcomed or not. They stay connected. */
export async function newcomers(link: Link, { perSecond, seconds }: NewcomersOrder): Promise<BareCount> {
  const expected = Math.round(perSecond * seconds)
  const began = performance.now()
  const waits: number[] = []
  const invalid: string[] = []
  const all: Promise<void>[] = []
  for (let n = 0; n < expected; n++) {
    const connectedAt = performance.now()
    const client = new Client(`n${n}`, link)
    all.push(
      client.joined.then(
        () => void waits.push(performance.now() - connectedAt),
        (error: Error) => void invalid.push(`a new client was not welcomed: ${error.message}`),
      ),
    )
    await sleep(1_000 / perSecond)
  }
  const late = sleep(LAST_WELCOME_MS, 'late' as const)
  if ((await Promise.race([Promise.all(all), late])) === 'late')
    invalid.push(`a new client waited longer than ${LAST_WELCOME_MS / 1_000} s`)
  return {
    counted: waits.length,
    expected,
    bytes: 0,
    seconds: (performance.now() - began) / 1_000,
    slowestMs: Math.max(0, ...waits),
    invalid,
  }
}
