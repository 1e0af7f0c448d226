import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'

const running = new Set<ChildProcess>()

/** A Node program to start. */
interface Start {
  program: string
  nodeArgs: string[]
  args: string[]
  env: Record<string, string>
  /** The core to pin it to; `undefined` for none. */
  core: number | undefined
  /** The file for its output. */
  output: string
}

/**
 * Starts a Node process with a message channel. `taskset` pins it and then becomes the process, so the pid is
 * that of Node.
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
  // The start failed: its pid is undefined, and callers get no answer.
  child.on('error', () => running.delete(child))
  return child
}

/** Kills a process and waits for its end. With `isProfiled`, it may write its profile first. */
export async function end(child: ChildProcess, isProfiled = false): Promise<void> {
  if (!running.has(child)) return
  const gone = new Promise(resolve => child.once('exit', resolve))
  if (isProfiled) child.disconnect()
  else child.kill('SIGKILL')
  await gone
}

/** Kills all running processes, without waiting. */
export function endAll(): void {
  for (const child of running) child.kill('SIGKILL')
}

/**
 * The environment for all children. Contenders read their settings from it, so only what every process needs
 * is inherited.
 */
function inheritedEnv(): Record<string, string> {
  return Object.fromEntries(
    ['PATH', 'HOME', 'TMPDIR'].flatMap(name => {
      const value = process.env[name]
      return value === undefined ? [] : [[name, value]]
    }),
  )
}
