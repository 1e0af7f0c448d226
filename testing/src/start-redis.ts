import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import {
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePort } from './free-port.ts'
import { temporaryDir } from './start-server.ts'

/** A program that tests can start as their Redis. */
export interface Engine {
  readonly name: 'redis' | 'valkey'
  readonly path: string
  /** Where its libraries are, if they are not installed. */
  readonly libraries?: string
}

/** An engine that a test has started. Its content is only in memory. */
export interface RunningRedis {
  readonly port: number
  readonly pid: number
  /** `redis://127.0.0.1:PORT` */
  readonly url: string
  /** Ends it and removes its directory. */
  readonly stop: () => Promise<void>
  /** Ends it as a crash does. */
  readonly kill: () => Promise<void>
  /** Stops it without ending it: connections stay open, and nothing is answered. */
  readonly pause: () => void
  readonly resume: () => void
  /** Ends it, if it still runs, and starts it on the same port, empty. */
  readonly restart: () => Promise<void>
}

/** How long an engine may take to start, in ms. */
const START_MS = 15_000

/** The Debian packages of each engine: first the one with the program, then the libraries that it may need. */
const PACKAGES = {
  redis: ['redis-tools', 'liblzf1', 'libjemalloc2', 'liblua5.1-0'],
  valkey: ['valkey-tools', 'liblzf1', 'libjemalloc2', 'liblua5.1-0', 'libhdr-histogram6'],
} as const

const CACHE = fileURLToPath(new URL('../../node_modules/.cache/', import.meta.url))

/**
 * The engines of this machine: those in PATH, else Debian's packages, which are unpacked and not installed. Without an
 * engine, the reasons are printed, so that tests can be skipped.
 *
 * @param cache the directory in which the packages are unpacked
 * @throws Error if no engine is found and `CI` is set, because nobody would notice skipped tests there
 */
export function findEngines(env: NodeJS.ProcessEnv = process.env, cache = CACHE): Engine[] {
  const reasons: string[] = []
  const engines = (['redis', 'valkey'] as const).flatMap(name => {
    try {
      return [inPath(name, env['PATH'] ?? '') ?? unpacked(name, env, cache)]
    } catch (error) {
      reasons.push(`${name}: ${(error as Error).message.split('\n').slice(0, 3).join(' ')}`)
      return []
    }
  })
  if (engines.length > 0) return engines
  const problem = `no Redis could be found; install redis-server:\n${reasons.join('\n')}`
  if (env['CI']) throw new Error(problem)
  process.stderr.write(`Tests are skipped: ${problem}\n`)
  return []
}

function inPath(name: Engine['name'], path: string): Engine | undefined {
  const found = path
    .split(':')
    .filter(dir => dir !== '')
    .map(dir => join(dir, `${name}-server`))
    .find(existsSync)
  return found === undefined ? undefined : { name, path: found }
}

/**
 * Unpacks the Debian packages of an engine once. The directory gets its name when it is complete, because several test
 * processes may unpack at the same time.
 */
function unpacked(name: Engine['name'], env: NodeJS.ProcessEnv, cache: string): Engine {
  const home = join(cache, `${name}-server`)
  const program = `usr/bin/${name}-server`
  if (!existsSync(join(home, program))) {
    mkdirSync(cache, { recursive: true })
    const draft = mkdtempSync(`${home}-`)
    try {
      unpackInto(draft, name, env)
      // It is the same program as the server; it acts according to its name.
      if (!existsSync(join(draft, program))) symlinkSync(`${name}-check-rdb`, join(draft, program))
      renameSync(draft, home)
    } catch (error) {
      rmSync(draft, { recursive: true })
      // Otherwise another process has created it.
      if (!existsSync(join(home, program))) throw error
    }
  }
  const engine = { name, path: join(home, program), libraries: globSync(`${home}/usr/lib/*/`).join(':') }
  execFileSync(engine.path, ['--version'], { env: envOf(engine), stdio: ['ignore', 'ignore', 'pipe'] })
  return engine
}

function unpackInto(dir: string, name: Engine['name'], env: NodeJS.ProcessEnv): void {
  const run = (command: string, ...args: string[]) =>
    execFileSync(command, args, { cwd: dir, env, stdio: ['ignore', 'ignore', 'pipe'], timeout: 60_000 })
  const [program, ...libraries] = PACKAGES[name]
  run('apt-get', 'download', program)
  for (const library of libraries) {
    try {
      run('apt-get', 'download', library)
    } catch {
      // Not every release of Debian has it, or needs it. Whether the program runs is checked in the end.
    }
  }
  for (const file of globSync('*.deb', { cwd: dir })) run('dpkg-deb', '-x', file, '.')
}

function envOf({ libraries }: Engine): NodeJS.ProcessEnv {
  return libraries === undefined ? process.env : { ...process.env, LD_LIBRARY_PATH: libraries }
}

/**
 * Starts an engine on a free port of the loopback interface, without persistence. It ends with the test process, also
 * if that is killed.
 *
 * @param args more arguments of the engine, such as `['--maxmemory', '4mb']`
 */
export async function startRedis(engine: Engine, args: readonly string[] = []): Promise<RunningRedis> {
  const dir = temporaryDir()
  let { port, child } = await launchOnFreePort(engine, dir.path, args)
  const kill = () => ended(child)
  return {
    port,
    get pid() {
      return child.pid ?? 0
    },
    url: `redis://127.0.0.1:${port}`,
    kill,
    async stop() {
      await kill()
      dir.remove()
    },
    pause: () => void child.kill('SIGSTOP'),
    resume: () => void child.kill('SIGCONT'),
    async restart() {
      await kill()
      child = await launch(engine, dir.path, port, args)
    },
  }
}

/** Tries again with another port, because another program may take the port before the engine does. */
async function launchOnFreePort(engine: Engine, dir: string, args: readonly string[], tries = 3) {
  const port = await lowFreePort()
  try {
    return { port, child: await launch(engine, dir, port, args) }
  } catch (error) {
    if (tries === 1) throw error
    return launchOnFreePort(engine, dir, args, tries - 1)
  }
}

function launch(engine: Engine, dir: string, port: number, args: readonly string[]): Promise<ChildProcess> {
  const settings = [
    '--port',
    `${port}`,
    '--bind',
    '127.0.0.1',
    '--save',
    '',
    '--appendonly',
    'no',
    '--dir',
    dir,
  ]
  // A sentinel keeps its state in its configuration file, and does not start without one.
  const file = join(dir, 'redis.conf')
  writeFileSync(file, '')
  const child = spawn(engine.path, [file, ...settings, ...args], {
    env: envOf(engine),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  guard(child, dir)
  return new Promise((resolve, reject) => {
    let output = ''
    const fail = (problem: string): void => {
      clearTimeout(timeout)
      child.kill('SIGKILL')
      reject(new Error(`${engine.path} ${problem}:\n${output}`))
    }
    const timeout = setTimeout(() => fail('did not start in time'), START_MS)
    const read = (data: Buffer): void => {
      output += data
      if (!/Ready to accept connections|Sentinel ID is/.test(output)) return
      clearTimeout(timeout)
      resolve(child)
    }
    child.stdout?.on('data', read)
    child.stderr?.on('data', read)
    child.once('error', error => fail(error.message))
    child.once('exit', code => fail(`ended with ${code}`))
  })
}

/**
 * Starts a shell that kills the engine when this process has ended, in whatever way: then the input of the shell ends.
 * It has a process group of its own, so that Ctrl-C does not end it first.
 */
function guard(child: ChildProcess, dir: string): void {
  if (child.pid === undefined) return
  const script = 'read -r _; kill -9 "$0"; rm -rf "$1"'
  const shell = spawn('sh', ['-c', script, `${child.pid}`, dir], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  shell.unref()
  child.once('exit', () => {
    shell.kill('SIGKILL')
    shell.stdin.destroy()
  })
}

function ended(child: ChildProcess): Promise<void> {
  return new Promise(resolve => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve()
    child.once('exit', () => resolve())
    child.kill('SIGKILL')
  })
}

/** A free port below 50,000, because a Redis Cluster also uses the port that is higher by 10,000. */
async function lowFreePort(): Promise<number> {
  const port = await freePort()
  return port < 50_000 ? port : lowFreePort()
}
