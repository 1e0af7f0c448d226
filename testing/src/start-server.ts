import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const sources = fileURLToPath(new URL('../../server/src/main.ts', import.meta.url))
const built = fileURLToPath(new URL('../../server/dist/main.js', import.meta.url))

/** A server process that a test has started. */
export interface RunningServer {
  readonly port: number
  readonly pid: number
  /** `ws://127.0.0.1:PORT/ws` */
  readonly url: string
  /** `http://127.0.0.1:PORT` */
  readonly origin: string
  /** The console output of the server so far. */
  readonly output: () => string
  /** Sends a signal. Resolves with the exit code, or `null` if a signal ended the process. */
  readonly end: (signal: NodeJS.Signals) => Promise<number | null>
}

/** Settings of a server by name. */
export type ServerSettings = Readonly<Record<string, string | number>>

/** A server process that has ended. `code` is `null` if a signal ended it. */
export interface ExitedServer {
  readonly code: number | null
  readonly output: string
}

/** How long a server may take to start, in ms. Reading a million users takes less. */
const START_MS = 30_000

const running = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})
// A worker that the test runner ends would run no 'exit' handler, and its servers would go on.
process.once('SIGTERM', () => process.exit(143))

/** Creates a temporary directory; `remove` deletes it, also while a killed process finishes its last write there. */
export function temporaryDir(): { readonly path: string; readonly remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), 'who-is-online-'))
  return { path, remove: () => rmSync(path, { recursive: true, force: true, maxRetries: 10 }) }
}

/** How a server process is started. */
export interface Launch {
  /** Its open-file limit, as `ulimit -n` sets it. */
  readonly openFiles?: number
  /** A command that starts it, such as `unshare`; `pid` is then the pid of that command. */
  readonly through?: readonly string[]
  /** The file that Node.js runs instead of the server's own, such as that of a copy. */
  readonly entry?: string
}

/**
 * The command that runs the server from its sources; with `SERVER_NODE` in the environment, the built server
 * on that Node.js, since not every supported Node.js can run the sources.
 */
export const serverCommand: readonly [string, ...string[]] = process.env['SERVER_NODE']
  ? [process.env['SERVER_NODE'], built]
  : [process.execPath, '--conditions=@who-is-online/source', sources]

/** The environment of a server whose state and logs are in `dir`. */
export function serverEnv(dir: string, settings: ServerSettings): Record<string, string> {
  const env: Record<string, string> = {
    PATH: process.env['PATH'] ?? '',
    PORT: '0',
    ENVIRONMENT: 'development',
  }
  env['DATA_DIR'] = join(dir, 'data')
  env['LOG_DIR'] = join(dir, 'logs')
  for (const [name, value] of Object.entries(settings)) env[name] = String(value)
  return env
}

function launch(
  dir: string,
  settings: ServerSettings,
  args: readonly string[] = [],
  { openFiles, through = [], entry }: Launch = {},
): { child: ChildProcess; output: () => string } {
  const program =
    entry === undefined ? serverCommand : [process.execPath, '--conditions=@who-is-online/source', entry]
  const command = [...through, ...program, ...args]
  const limited =
    openFiles === undefined
      ? command
      : ['sh', '-c', 'ulimit -n "$0" && exec "$@"', String(openFiles), ...command]
  const child = spawn(limited[0] as string, limited.slice(1), { cwd: dir, env: serverEnv(dir, settings) })
  running.add(child)
  child.once('exit', () => running.delete(child))
  let output = ''
  child.stdout?.on('data', data => {
    output += data
  })
  child.stderr?.on('data', data => {
    output += data
  })
  return { child, output: () => output }
}

/**
 * Starts the server on a free port, with its state and logs in `dir`. Rejects if it does not listen within 30
 * s.
 */
export function startServer(
  dir: string,
  settings: ServerSettings = {},
  args: readonly string[] = [],
  how: Launch = {},
): Promise<RunningServer> {
  const { child, output } = launch(dir, { HOST: '127.0.0.1', LOG_LEVEL: 'info', ...settings }, args, how)
  return new Promise((resolve, reject) => {
    const timeout = setTimeout(() => {
      child.kill('SIGKILL')
      reject(new Error(`the server did not start in time:\n${output()}`))
    }, START_MS)
    child.once('exit', code => {
      clearTimeout(timeout)
      reject(new Error(`the server ended with ${code}:\n${output()}`))
    })
    const look = (): void => {
      const port = /listening on .*?, port (\d+)/.exec(output())?.[1]
      if (port === undefined) return
      clearTimeout(timeout)
      child.stdout?.off('data', look)
      resolve({
        port: Number(port),
        pid: child.pid ?? 0,
        url: `ws://127.0.0.1:${port}/ws`,
        origin: `http://127.0.0.1:${port}`,
        output,
        end: signal => exited(child, () => child.kill(signal)),
      })
    }
    child.stdout?.on('data', look)
  })
}

/** Starts a server that is expected to end by itself, and waits for that. */
export async function runServer(
  dir: string,
  settings: ServerSettings,
  args: readonly string[] = [],
  how: Launch = {},
): Promise<ExitedServer> {
  const { child, output } = launch(dir, settings, args, how)
  const code = await exited(child, () => {})
  return { code, output: output() }
}

function exited(child: ChildProcess, begin: () => void): Promise<number | null> {
  return new Promise(resolve => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve(child.exitCode)
    child.once('exit', code => resolve(code))
    begin()
  })
}
