import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { HELP, runCommand, table } from './commands.ts'
import { type LocalCluster, startLocalCluster } from './local-cluster.ts'
import { findRedis, NO_REDIS } from './local-redis.ts'

// Runs a cluster on this machine, to try it: `pnpm cluster [NODES]`.

const DEFAULT_PORT = '3050'
const MOST_NODES = 20
const sources = fileURLToPath(new URL('../../server/src/main.ts', import.meta.url))

const size = Number(process.argv[2] ?? 3)
const port = Number(process.env['PORT'] || DEFAULT_PORT)
const url = process.env['REDIS_URL']
const program = findRedis(process.env['PATH'] ?? '')

if (!Number.isInteger(size) || size < 1 || size > MOST_NODES)
  fail(`the number of nodes must be from 1 to ${MOST_NODES}: pnpm cluster 3`)
if (!url && program === undefined) fail(NO_REDIS)

const print = (line: string): void => {
  if (line !== '') process.stdout.write(`${line}\n`)
}
const stopping = new AbortController()
let cluster: LocalCluster | undefined

/** Ends everything. A start that is under way ends what it has started. */
async function stop(): Promise<void> {
  if (stopping.signal.aborted) return
  stopping.abort(new Error('ended before all nodes were ready'))
  if (!cluster) return
  print('Stopping…')
  await cluster.stop()
  process.exit(0)
}
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => void stop())
// If nobody reads the output, nobody tries the cluster.
process.stdout.on('error', () => void stop())

const input = createInterface({ input: process.stdin })
input.on('close', () => void stop())

print(`Starting ${url ? '' : 'a Redis and '}${size === 1 ? 'one node' : `${size} nodes`}…`)
try {
  cluster = await startLocalCluster(
    {
      redis: url ? { url } : { program: program ?? '' },
      size,
      port,
      // From the sources, as pnpm dev does, so that it needs no build.
      server: [process.execPath, '--conditions=@who-is-online/source', sources],
      env: process.env,
      print,
    },
    stopping.signal,
  )
} catch (error) {
  if (stopping.signal.aborted) process.exit(0)
  fail(whyNotStarted(error as NodeJS.ErrnoException))
}
if (stopping.signal.aborted) {
  await cluster.stop()
  process.exit(0)
}
const running = cluster
let last: Promise<void> = Promise.resolve()
input.on('line', line => {
  // One after the other: `redis start` after `redis kill` waits for its end.
  last = last.then(async () => print(await runCommand(line, running, () => void stop())))
})
print(`
A cluster of ${size === 1 ? 'one node' : `${size} nodes`}:

${table(running)}

Open the page in two tabs and connect with a different user id in each. Then end a node: kill 1
The users of that node connect to another one, and others see no change.

${HELP}
`)

function whyNotStarted({ code, message }: NodeJS.ErrnoException): string {
  if (code !== 'EADDRINUSE') return message
  return `port ${port} is in use: stop the program that uses it, or set PORT to another port (0 selects any free one)`
}

function fail(text: string): never {
  process.stderr.write(`${text}\n`)
  process.exit(1)
}
