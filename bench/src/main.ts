// pnpm bench [scenario…] [--only contender,…] [--rounds n] [--quick] [--cpu-prof dir] | --report
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { type Conditions, compare } from './compare.ts'
import { contenders } from './contenders/contenders.ts'
import type { Result } from './figures.ts'
import { keep, print, report } from './report.ts'
import { firehose } from './scenarios/firehose.ts'
import { idle } from './scenarios/idle.ts'
import { known } from './scenarios/known.ts'
import { request } from './scenarios/request.ts'
import { saving } from './scenarios/saving.ts'
import type { Size } from './scenarios/scenario.ts'
import { storm } from './scenarios/storm.ts'
import { watch } from './scenarios/watch.ts'
import { clearAll, profileInto } from './stage.ts'

/** Every scenario, in the order of a whole bench. */
const scenarios: Record<string, (size: Size, conditions: Conditions) => Promise<Result>> = {
  firehose: (size, conditions) => compare(firehose(size), conditions),
  watch: (size, conditions) => compare(watch(size), conditions),
  storm: (size, conditions) => compare(storm(size), conditions),
  request: (size, conditions) => compare(request(size), conditions),
  idle: (size, conditions) => compare(idle(size), conditions),
  known: (size, conditions) => compare(known(size), conditions),
  saving,
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    only: { type: 'string' },
    rounds: { type: 'string' },
    quick: { type: 'boolean', default: false },
    'cpu-prof': { type: 'string' },
    report: { type: 'boolean', default: false },
  },
})

process.on('exit', clearAll)
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1))

if (values['cpu-prof']) profileInto(resolve(values['cpu-prof']))
if (values.report) await report()
else await bench(values.quick ? 'quick' : 'full')

/** Measures what was asked for, prints it and keeps it. A wrong count or a failed run makes the exit code 1. */
async function bench(size: Size): Promise<void> {
  const chosen = choose(positionals, Object.entries(scenarios))
  const conditions: Conditions = {
    contenders: choose(
      values.only?.split(',') ?? [],
      contenders.map(contender => [contender.name, contender] as const),
    ),
    rounds: Number(values.rounds ?? (size === 'quick' ? 1 : 3)),
    progress: line => process.stderr.write(`${line}\n`),
  }
  for (const measure of chosen) {
    const result = await measure(size, conditions)
    process.stdout.write(print(result, size))
    // A smoke run, one without some contenders, or one that was profiled is nothing to compare with later.
    if (size === 'full' && !values.only && !values['cpu-prof']) await keep(result)
    if (result.problems.length > 0) process.exitCode = 1
  }
}

/** What the names stand for, all when there are none. An unknown name ends the bench before it begins. */
function choose<T>(names: string[], known: (readonly [string, T])[]): T[] {
  const all = new Map(known)
  if (names.length === 0) return [...all.values()]
  return names.flatMap(name => {
    const found = all.get(name)
    return found === undefined ? refuse(name, [...all.keys()]) : [found]
  })
}

function refuse(name: string, known: string[]): never {
  process.stderr.write(`unknown: ${name}; there are ${known.join(', ')}\n`)
  process.exit(2)
}
