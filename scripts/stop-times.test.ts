import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

// Only docs/operating.md says how long each step of a stop takes. It says what the code has.

const server = ['core', 'server'].map(name => readFileSync(`server/src/${name}.ts`, 'utf8')).join('\n')
const stopping = readFileSync('server/src/process.ts', 'utf8')
const page = readFileSync('docs/operating.md', 'utf8').split('### When something hangs')[1]?.split(/^## /m)[0]

/** The value of a constant in ms, as the source has it. */
function constant(source: string, name: string): number {
  const text = new RegExp(`^const ${name} = ([\\d_]+)$`, 'm').exec(source)?.[1]
  return Number(text?.replaceAll('_', ''))
}

/** All times in seconds that a text names, without repetitions and in ascending order. */
function times(text: string): number[] {
  const found = [...text.matchAll(/(\d+(?:\.\d+)?) s\b/g)].map(match => Number(match[1]))
  return [...new Set(found)].toSorted((a, b) => a - b)
}

const saveMs = constant(server, 'LAST_SAVE_MS')
const clientsMs = constant(server, 'CLIENTS_CLOSE_MS')
const closeMs = constant(server, 'STORE_CLOSE_MS')
const slowMs = constant(stopping, 'SLOW_STOP_MS')
const killMs = constant(stopping, 'STOP_MS')
const exitMs = constant(stopping, 'EXIT_MS')
const consoleMs = constant(readFileSync('server/src/log/winston-log.ts', 'utf8'), 'CLOSE_MS')

test('the page names the times of a stop that the code has, and no others', () => {
  const inCode = [saveMs, clientsMs, closeMs, slowMs, killMs, exitMs, consoleMs, 10_000]
  expect(times(page ?? '')).toEqual(inCode.map(ms => ms / 1_000).toSorted((a, b) => a - b))
  const rows = [...(page ?? '').matchAll(/^\| (\d.*?) s\b/gm)].map(([, seconds]) => Number(seconds) * 1_000)
  expect(rows).toEqual([saveMs, slowMs, closeMs, killMs])
})

test('[Q3 Q7] the steps of a stop take less than 10 s together', () => {
  // A save that fails late, and then clients that do not answer.
  expect(saveMs + clientsMs).toBeLessThan(killMs)
  // `stopped` is logged before the process kills itself.
  expect(closeMs).toBeLessThan(killMs)
  expect(slowMs).toBeLessThan(killMs)
  expect(killMs).toBeLessThan(10_000)
})

test('the negative control: a constant that is missing, and a time that differs', () => {
  expect(constant(server, 'STOP_MS')).toBeNaN()
  expect(times('It waits 7 s, and 2.5 s after 7 s.')).toEqual([2.5, 7])
})
