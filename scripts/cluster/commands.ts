import type { LocalCluster, LocalNode } from './local-cluster.ts'
import type { Program } from './program.ts'

/** What `help` prints. */
export const HELP = `Commands:
  kill N       ends node N as a crash does
  stop N       ends node N in an orderly way, as an update does
  start N      starts node N again
  pause N      suspends node N; resume N lets it go on
  redis kill   the same for Redis: also redis stop, start, pause and resume
  list         the nodes, and which of them get clients
  quit         ends everything (also Ctrl-C)`

const ACTIONS = ['kill', 'stop', 'start', 'pause', 'resume'] as const
type Action = (typeof ACTIONS)[number]

/**
 * Carries out a line that the user typed. Resolves with the text to print.
 *
 * @param quit ends the cluster
 */
export async function runCommand(line: string, cluster: LocalCluster, quit: () => void): Promise<string> {
  const words = line.trim().toLowerCase().split(/\s+/)
  const [first = '', second = ''] = words
  if (words.length > 2) return unknown(line)
  if (words.length === 1) {
    switch (first) {
      case '':
        return ''
      case 'help':
        return HELP
      case 'list':
        return table(cluster)
      case 'quit':
        quit()
        return ''
    }
  }
  const [action, name] = first === 'redis' ? [second, first] : [first, second]
  if (!isAction(action)) return unknown(line)
  if (name === 'redis') {
    if (!cluster.redis)
      return `Redis was not started by this command: it is at ${withoutPassword(cluster.redisUrl)}`
    return act(action, cluster.redis)
  }
  const node = cluster.nodes.find(node => node.name === name || node.name === `node${name}`)
  if (!node)
    return `there is no node ${JSON.stringify(second)}: write ${action} and a number from 1 to ${cluster.nodes.length}`
  return act(action, node.program)
}

/** The addresses and processes of a cluster. */
export function table(cluster: LocalCluster): string {
  const { nodes, redis, redisUrl, balancer } = cluster
  const rows = [
    ['page', `http://localhost:${balancer.port}/`, 'the balancer in front of all nodes'],
    ...nodes.map(node => [node.name, `http://localhost:${node.port}/`, stateOf(node, cluster)]),
    ['redis', withoutPassword(redisUrl), redis ? processOf(redis) : 'not started by this command'],
  ]
  const widths = [0, 1].map(column => Math.max(...rows.map(row => row[column]?.length ?? 0)))
  return rows
    .map(row =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('   ')
        .trimEnd(),
    )
    .map(row => `  ${row}`)
    .join('\n')
}

function stateOf({ name, program }: LocalNode, { balancer }: LocalCluster): string {
  const hint =
    program.state !== 'running' || balancer.isReady(name) ? '' : ', not ready: it gets no new clients'
  return `${processOf(program)}${hint}`
}

function processOf({ pid, state }: Program): string {
  return pid === undefined ? state : `pid ${pid}${state === 'paused' ? ', paused' : ''}`
}

/** A password in the URL of a Redis must not be printed. */
function withoutPassword(url: string): string {
  return url.replace(/\/\/[^@/]*@/, '//…@')
}

async function act(action: Action, program: Program): Promise<string> {
  const { name, state } = program
  const isRunning = state !== 'ended'
  if (action === 'start' && isRunning) return `${name} runs already, pid ${program.pid}`
  if (action !== 'start' && !isRunning) return `${name} does not run`
  // The line of a program that is killed says so.
  await program[action]()
  switch (action) {
    case 'kill':
      return ''
    case 'stop':
      return `${name} has stopped`
    case 'start':
      return `${name} starts, pid ${program.pid}`
    case 'pause':
      return `${name} is paused`
    case 'resume':
      return `${name} goes on`
  }
}

function isAction(word: string): word is Action {
  return ACTIONS.includes(word as Action)
}

function unknown(line: string): string {
  return `unknown command: ${line.trim()}\n${HELP}`
}
