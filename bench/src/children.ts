import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'

const running = new Set<ChildProcess>()

/** What to start: a Node program and where it runs. */
interface Start {
  program: string
  nodeArgs: string[]
  args: string[]
  env: Record<string, string>
  /** The core it is pinned to, if any. */
  core: number | undefined
  /** A file that takes what it prints. */
  output: string
}

/**
 * Starts a Node process with a message channel. `taskset` pins it to a core and becomes the process, so the
 * pid is right.
 */
export function start({ program, nodeArgs, args, env, core, output }: Start): ChildProcess {
  const node = [process.execPath, ...nodeArgs, program, ...args]
  const [command = '', ...rest] = core === undefined ? node : ['taskset', '-c', String(core), ...node]
  const out = openSync(output, 'a')
  const child = spawn(command, rest, {
    env: { ...inheritedEnv(), ...env },
    stdio: ['ignore', out, out, 'ipc'],
  })
  closeSync(out)
  running.add(child)
  child.once('exit', () => running.delete(child))
  child.on('error', () => running.delete(child)) // could not be started: its pid is undefined, callers see no answer
  return child
}

/** Ends a process at once and waits until it is gone; with `isProfiled`, it may write its profile before. */
export async function end(child: ChildProcess, isProfiled = false): Promise<void> {
  if (!running.has(child)) return
  const gone = new Promise(resolve => child.once('exit', resolve))
  if (isProfiled) child.disconnect()
  else child.kill('SIGKILL')
  await gone
}

/** Ends what still runs, without waiting. */
export function endAll(): void {
  for (const child of running) child.kill('SIGKILL')
}

/** A contender reads its settings from the environment, so only what a process needs anyway is handed down. */
function inheritedEnv(): Record<string, string> {
  return Object.fromEntries(
    ['PATH', 'HOME', 'TMPDIR'].flatMap(name => {
      const value = process.env[name]
      return value === undefined ? [] : [[name, value]]
    }),
  )
}
