import { spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { sleep } from './client.ts'
import { type ServerSettings, serverCommand, serverEnv } from './start-server.ts'

/** A server that runs in a shell, so that its console is a pipe, a terminal or a file. */
export interface ShellServer {
  readonly port: number
  /** The pid of the server, not of the shell. */
  readonly pid: number
  readonly url: string
  readonly origin: string
  /** The content of the log file; empty if it does not exist. */
  readonly log: () => string
  /** Resolves with the exit status of the server when it has ended. */
  readonly status: () => Promise<number>
}

/** How long to wait for a condition, in ms. It is generous, because the machine may be busy. */
const PATIENCE_MS = 15_000

const CONSOLE_FILE = 'console.txt'

/** The functions that kill the running shells. */
const running = new Set<() => void>()
process.on('exit', () => {
  for (const destroy of running) destroy()
})

/**
 * Runs a shell script in `dir`. In the script, `./server` runs the server and stores its exit status, for
 * example `./server | head -n 1`. `$SERVER` is the command itself. Settings and directories are those of
 * `startServer`. Resolves when the log file or the file `console.txt` says that the server listens.
 * Everything that the shell started is killed after the test.
 */
export async function startInShell(
  dir: string,
  script: string,
  settings: ServerSettings = {},
): Promise<ShellServer> {
  const shell = runInShell(dir, script, settings)
  const log = () => readIfThere(join(dir, 'logs', 'who-is-online.log'))
  const said = () => log() + readIfThere(join(dir, CONSOLE_FILE))
  const port = await until('the server listens', () => /listening on .*?, port (\d+)/.exec(said())?.[1])
  return {
    ...shell,
    log,
    port: Number(port),
    pid: await until('the server runs', () => serverIn(dir)),
    url: `ws://127.0.0.1:${port}/ws`,
    origin: `http://127.0.0.1:${port}`,
  }
}

/** Runs a shell script like `startInShell`, without waiting for the server. */
export function runInShell(
  dir: string,
  script: string,
  settings: ServerSettings = {},
): Pick<ShellServer, 'status'> {
  const command = serverCommand.join(' ')
  writeFileSync(join(dir, 'server'), `#!/bin/sh\n${command}\necho $? > '${join(dir, 'status')}'\n`, {
    mode: 0o755,
  })
  const shell = spawn('sh', ['-c', script], {
    cwd: dir,
    env: { ...serverEnv(dir, { HOST: '127.0.0.1', LOG_LEVEL: 'info', ...settings }), SERVER: command },
    stdio: 'ignore',
    detached: true,
  })
  const destroy = () => {
    running.delete(destroy)
    kill(-(shell.pid ?? 0))
    // In its own terminal or namespace, the server is not in the process group of the shell.
    const server = serverIn(dir)
    if (server !== undefined) kill(server)
  }
  running.add(destroy)
  onTestFinished(destroy)
  const status = () => readIfThere(join(dir, 'status')).trim() || undefined
  return { status: async () => Number(await until('the server ends', status)) }
}

/** The pid of the server that runs in `dir`, as seen from here; in its own pid namespace it may be 1. */
export function serverIn(dir: string): number | undefined {
  for (const pid of readdirSync('/proc').filter(name => /^\d+$/.test(name))) {
    try {
      const [program] = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
      if (program === serverCommand[0] && readlinkSync(`/proc/${pid}/cwd`) === dir) return Number(pid)
    } catch {
      // the process has ended
    }
  }
  return undefined
}

/**
 * Calls `look` until it returns a result, and returns that. Rejects after `patienceMs` with `what` in the
 * message.
 */
export async function until<Found>(
  what: string,
  look: () => Found | undefined | false | Promise<Found | undefined | false>,
  patienceMs = PATIENCE_MS,
): Promise<Found> {
  const end = performance.now() + patienceMs
  for (;;) {
    const found = await look()
    if (found !== undefined && found !== false) return found
    if (performance.now() > end) throw new Error(`timed out waiting until ${what}`)
    await sleep(20)
  }
}

function readIfThere(path: string): string {
  return existsSync(path) ? readFileSync(path, 'utf8') : ''
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // the process has ended
  }
}
