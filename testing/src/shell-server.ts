import { spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { sleep } from './client.ts'
import { type ServerSettings, serverCommand, serverEnv } from './start-server.ts'

/** A server that a shell runs, so that its console is a pipe, a terminal or a file as on a command line. */
export interface ShellServer {
  readonly port: number
  /** Of the server, not of the shell. */
  readonly pid: number
  readonly url: string
  readonly origin: string
  /** What is in the log file now; empty when there is none. */
  readonly log: () => string
  /** The status that the shell saw when the server ended; waits for it. */
  readonly status: () => Promise<number>
  /** Ends everything that the shell started. */
  readonly destroy: () => void
}

/** How long a condition may take to come true, in ms: a busy machine is slow. */
const PATIENCE_MS = 15_000

const CONSOLE_FILE = 'console.txt'

/** What the shells that still run are killed by. */
const running = new Set<() => void>()
process.on('exit', () => {
  for (const destroy of running) destroy()
})

/**
 * Runs a shell script in `dir`, in which `./server` runs the server and notes its exit status: `./server | head -n 1`.
 * `$SERVER` is the bare command. Settings and directories are as with `startServer`. Resolves when the server
 * listens, as its log file says, or the file `console.txt`.
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

/** Does the same without waiting for anything. */
export function runInShell(
  dir: string,
  script: string,
  settings: ServerSettings = {},
): Pick<ShellServer, 'status' | 'destroy'> {
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
    // A terminal or a namespace of its own takes the server out of the shell's group.
    const server = serverIn(dir)
    if (server !== undefined) kill(server)
  }
  running.add(destroy)
  const status = () => readIfThere(join(dir, 'status')).trim() || undefined
  return {
    status: async () => Number(await until('the server ends', status)),
    destroy,
  }
}

/** The process that runs in `dir`, by the number that it has here: in a container of its own it is pid 1. */
export function serverIn(dir: string): number | undefined {
  for (const pid of readdirSync('/proc').filter(name => /^\d+$/.test(name))) {
    try {
      const [program] = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
      if (program === process.execPath && readlinkSync(`/proc/${pid}/cwd`) === dir) return Number(pid)
    } catch {
      // it has ended
    }
  }
  return undefined
}

/** Waits until `look` finds something, and returns it. */
export async function until<Found>(
  what: string,
  look: () => Found | undefined | false | Promise<Found | undefined | false>,
  patienceMs = PATIENCE_MS,
): Promise<Found> {
  const end = performance.now() + patienceMs
  for (;;) {
    const found = await look()
    if (found !== undefined && found !== false) return found
    if (performance.now() > end) throw new Error(`in vain: ${what}`)
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
    // it has ended
  }
}
