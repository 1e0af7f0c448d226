import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { compareBuilds, printComparisons, REPORTED_PERCENT, sentence, summary } from './against.ts'
import { type Builds, findBuilds } from './builds.ts'
import { type Conditions, compare } from './compare.ts'
import { contenders } from './contenders/contenders.ts'
import type { Result } from './figures.ts'
import { clearAll, profileInto } from './processes.ts'
import { keep, print, report } from './report.ts'
import { api } from './scenarios/api.ts'
import { cluster } from './scenarios/cluster.ts'
import { firehose } from './scenarios/firehose.ts'
import { flood } from './scenarios/flood.ts'
import { idle } from './scenarios/idle.ts'
import { known } from './scenarios/known.ts'
import { request } from './scenarios/request.ts'
import { saving, savingBeside } from './scenarios/saving.ts'
import type { Size } from './scenarios/scenario.ts'
import { storm } from './scenarios/storm.ts'
import { watch } from './scenarios/watch.ts'

/** All scenarios, in the order of a complete run. */
const scenarios: Record<string, (size: Size, conditions: Conditions, against?: Builds) => Promise<Result>> = {
  firehose: (size, conditions) => compare(firehose(size), conditions),
  watch: (size, conditions, against) => compare(watch(size, against?.contenders), conditions),
  storm: (size, conditions) => compare(storm(size), conditions),
  request: (size, conditions) => compare(request(size), conditions),
  // One round takes a minute and a half, and a limit holds or does not hold in every round.
  flood: (size, conditions, against) =>
    compare(flood(size, against?.contenders), { ...conditions, rounds: 1 }),
  idle: (size, conditions) => compare(idle(size), conditions),
  known: (size, conditions, against) => compare(known(size, against?.contenders), conditions),
  api: (size, conditions, against) => compare(api(size, against?.contenders), conditions),
  cluster: (size, conditions, against) => cluster(size, conditions, against?.contenders),
  saving: (size, { rounds }, against) => (against ? savingBeside(size, against, rounds) : saving(size)),
}

const HELP = `pnpm bench [scenario…] [--only contender,…] [--rounds n] [--quick] [--cpu-prof dir]
pnpm bench [scenario…] --against dir [--fail-over percent] [--rounds n] [--quick]
pnpm bench --report

Measures this server beside others, several nodes beside a single one, or this server beside an older build of it. See docs/performance.md.

scenarios:  ${Object.keys(scenarios).join(', ')} (default: all)
contenders: ${contenders.map(({ name }) => name).join(', ')}

--only contender,…   Measures only these contenders.
--rounds n           How often each contender is measured. Default: 3, with --quick 1.
--quick              A short run that shows whether the bench works. Its figures mean nothing and are not kept.
--cpu-prof dir       Writes a CPU profile of each server that took part into this directory.
--report             Writes the kept results into docs/performance.md and docs/scaling.md, without measuring.
--against dir        Compares this build with the one in this directory. Nothing is kept.
--fail-over percent  With --against: exits with 1 if a figure is worse by more than this.
--help               Prints this text.
`

/** An exit code of sysexits.h, as the server uses it: a wrong command line. Worse figures exit with 1. */
const EXIT_USAGE = 64

const { values, positionals } = readArguments(process.argv.slice(2))
if (values.help) {
  process.stdout.write(HELP)
  process.exit(0)
}

process.on('exit', clearAll)
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1))

if (values['cpu-prof']) profileInto(resolve(values['cpu-prof']))
if (values.report) await report()
else if (values.against !== undefined) await benchAgainst(values.against, values.quick ? 'quick' : 'full')
else await bench(values.quick ? 'quick' : 'full')

/**
 * Runs the requested scenarios, prints and stores the results. A wrong count or a failed run makes the exit
 * code 1.
 */
async function bench(size: Size): Promise<void> {
  const chosen = choose(positionals, Object.entries(scenarios))
  if (values['fail-over'] !== undefined) refuse('--fail-over needs --against DIR')
  const conditions: Conditions = {
    contenders: choose(
      values.only?.split(',') ?? [],
      contenders.map(contender => [contender.name, contender] as const),
    ),
    rounds: rounds(size),
    progress,
  }
  for (const measure of chosen) {
    const result = await measure(size, conditions)
    process.stdout.write(print(result, size))
    // Quick, partial and profiled runs are not stored, because they can't be compared with others.
    if (size === 'full' && !values.only && !values['cpu-prof']) await keep(result)
    if (result.problems.length > 0) process.exitCode = 1
  }
}

/**
 * Measures our build and an older one, and prints our figures as multiples of the older ones. Nothing is
 * stored. A wrong count or a failed run makes the exit code 1; with `--fail-over`, so does a figure that is
 * worse by more than that percentage or was not measured.
 */
async function benchAgainst(dir: string, size: Size): Promise<void> {
  if (values.only !== undefined)
    refuse('--only can not be combined with --against, which compares two builds')
  const failOver = values['fail-over']
  const limit = Number(failOver ?? REPORTED_PERCENT)
  if (!(limit >= 0)) refuse(`--fail-over must be a percentage of at least 0, not ${JSON.stringify(failOver)}`)
  const against = find(dir)
  const conditions = { contenders: [...against.contenders], rounds: rounds(size), alternate: true, progress }
  const worse: string[] = []
  for (const measure of choose(positionals, Object.entries(scenarios))) {
    const result = await measure(size, conditions, against)
    const comparisons = compareBuilds(result, limit)
    process.stdout.write(printComparisons(result, comparisons))
    worse.push(...comparisons.filter(({ verdict }) => verdict === 'worse').map(sentence))
    const unmeasured = comparisons.some(({ verdict }) => verdict === 'not measured')
    if (result.problems.length > 0 || (failOver !== undefined && unmeasured)) process.exitCode = 1
  }
  process.stdout.write(summary(worse, limit, conditions.rounds))
  if (failOver !== undefined && worse.length > 0) process.exitCode = 1
}

function readArguments(args: readonly string[]) {
  try {
    return parseArgs({
      // `pnpm bench -- --help` passes the `--` to the program.
      args: args[0] === '--' ? args.slice(1) : [...args],
      allowPositionals: true,
      options: {
        only: { type: 'string' },
        rounds: { type: 'string' },
        quick: { type: 'boolean', default: false },
        'cpu-prof': { type: 'string' },
        report: { type: 'boolean', default: false },
        against: { type: 'string' },
        'fail-over': { type: 'string' },
        help: { type: 'boolean', default: false },
      },
    })
  } catch (error) {
    // The rest of the message explains how to pass a scenario whose name starts with a dash.
    const [problem] = (error as Error).message.split('. ')
    return refuse(`${problem}: --help lists the options`)
  }
}

function find(dir: string): Builds {
  try {
    return findBuilds(dir)
  } catch (error) {
    return refuse((error as Error).message)
  }
}

function rounds(size: Size): number {
  const { rounds: asked } = values
  const rounds = Number(asked ?? (size === 'quick' ? 1 : 3))
  if (!(Number.isInteger(rounds) && rounds >= 1))
    refuse(`--rounds must be a whole number of at least 1, not ${JSON.stringify(asked)}`)
  return rounds
}

function progress(line: string): void {
  process.stderr.write(`${line}\n`)
}

/** The items with these names; all if there are no names. An unknown name ends the process. */
function choose<T>(names: string[], known: (readonly [string, T])[]): T[] {
  const all = new Map(known)
  if (names.length === 0) return [...all.values()]
  return names.flatMap(name => {
    const found = all.get(name)
    return found === undefined ? refuse(`unknown: ${name}; there are ${[...all.keys()].join(', ')}`) : [found]
  })
}

function refuse(text: string): never {
  process.stderr.write(`${text}\n`)
  process.exit(EXIT_USAGE)
}
