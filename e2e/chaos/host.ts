import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { get } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sleep } from '@who-is-online/testing/client'
import { ConsolePipe } from './console.ts'
import { createFakeClock, type FakeClock } from './faketime.ts'
import type { ClockOffset, Output, Volume } from './schedule.ts'

const READY_WITHIN_MS = 30_000
const SIZES_MIB: Readonly<Record<Volume, number>> = { data: 8, log: 4 }

/** Arguments of `setpriv`: nothing is left over when the test is killed. */
const DIES_WITH_PARENT = ['--pdeathsig', 'KILL']

/** What a request for a path came to: how long it took, and its body. */
export interface Answer {
  readonly status: number
  readonly ms: number
  readonly body: string
}

export interface HostOptions {
  /** The program of the server: `main.ts` in the sources or a built `main.js`. */
  readonly program: string
  readonly port: number
  /** The library for the fake clock. */
  readonly faketime: string
  /** Told when the process ends although nobody ended it. */
  readonly onUnexpectedExit: (reason: string) => void
}

/**
 * Where the server runs: two small volumes in a mount namespace of its own, a console and a clock, all of which can be
 * broken. Needs root.
 */
export class Host {
  readonly #options: HostOptions
  readonly #dir: string
  readonly #holder: ChildProcess
  readonly #clock: FakeClock
  #offset: ClockOffset = 0
  #child: ChildProcess | undefined
  #isEnding = false
  #cameUp = false
  #pipes: Partial<Record<Output, ConsolePipe>> = {}
  #starts = 0
  #suspensions = 0
  #isSuspended = false
  /** The time in which the server ran, as far as it is over, and since when it has run. */
  #awakeMs = 0
  #runningSince: number | undefined

  private constructor(options: HostOptions, dir: string, holder: ChildProcess) {
    this.#options = options
    this.#dir = dir
    this.#holder = holder
    this.#clock = createFakeClock(options.faketime, join(dir, 'clock'))
  }

  /** Makes the namespace and mounts the volumes. Rejects when that is not allowed here. */
  static async create(options: HostOptions): Promise<Host> {
    const dir = mkdtempSync(join(tmpdir(), 'who-is-online-edges-'))
    for (const volume of ['data', 'log']) mkdirSync(join(dir, volume))
    const mount = (volume: Volume) =>
      `mount -t tmpfs -o size=${SIZES_MIB[volume]}m,mode=700 tmpfs "${join(dir, volume)}"`
    // The namespace and its mounts are gone when nobody is in it any more.
    const script = `${mount('data')} && ${mount('log')} && echo ready && exec sleep infinity`
    const command = ['unshare', '--mount', '--propagation', 'private', 'sh', '-c', script]
    const holder = spawn('setpriv', [...DIES_WITH_PARENT, ...command], { stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    const isReady = await new Promise<boolean>(resolve => {
      holder.once('error', error => {
        output += error.message
        resolve(false)
      })
      holder.once('exit', () => resolve(false))
      for (const stream of [holder.stdout, holder.stderr]) {
        stream.on('data', data => {
          output += data
          if (output.includes('ready')) resolve(true)
        })
      }
    })
    if (!isReady) {
      rmSync(dir, { recursive: true, force: true })
      throw new Error(`no mount namespace with volumes of its own: ${output.trim()}`)
    }
    return new Host(options, dir, holder)
  }

  /** A path on a volume, as it can be reached from outside the namespace. */
  path(volume: Volume, ...names: string[]): string {
    return join(`/proc/${this.#holder.pid}/root`, this.#dir, volume, ...names)
  }

  get pid(): number | undefined {
    return this.#child?.pid
  }

  get clockOffset(): ClockOffset {
    return this.#offset
  }

  /** Whether the server has come up and is neither suspended nor ended. */
  get isRunning(): boolean {
    return this.#runningSince !== undefined
  }

  /** Milliseconds in which the server ran and was not suspended. */
  awake(): number {
    return this.#awakeMs + (this.#runningSince === undefined ? 0 : performance.now() - this.#runningSince)
  }

  /** Changes whenever the process is started, ended, suspended or continued. */
  get era(): string {
    return `${this.#starts} ${this.#suspensions} ${this.isRunning}`
  }

  /** The last of what the server wrote to its console, as far as somebody read it. */
  get output(): string {
    return `${this.#pipes.stdout?.text ?? ''}${this.#pipes.stderr?.text ?? ''}`
  }

  /** Starts the server and waits until it answers. Rejects when it ends or does not come up. */
  async start(): Promise<void> {
    const number = ++this.#starts
    const pipes = {
      stdout: new ConsolePipe(join(this.#dir, `stdout-${number}`)),
      stderr: new ConsolePipe(join(this.#dir, `stderr-${number}`)),
    }
    this.#pipes = pipes
    this.#isEnding = false
    this.#cameUp = false
    const { program, port } = this.#options
    const child = spawn(
      'setpriv',
      [
        ...DIES_WITH_PARENT,
        'nsenter',
        `--mount=/proc/${this.#holder.pid}/ns/mnt`,
        `--wd=${this.#dir}`,
        process.execPath,
        '--conditions=@who-is-online/source',
        program,
      ],
      {
        stdio: ['ignore', pipes.stdout.writeEnd, pipes.stderr.writeEnd],
        env: {
          PATH: process.env['PATH'] ?? '',
          ...this.#clock.env,
          HOST: '127.0.0.1',
          PORT: String(port),
          // Debug lines: a console and a log file that are written to all the time.
          ENVIRONMENT: 'development',
          LOG_LEVEL: 'debug',
          DATA_DIR: join(this.#dir, 'data', 'state'),
          LOG_DIR: join(this.#dir, 'log', 'files'),
        },
      },
    )
    for (const pipe of Object.values(pipes)) closeSync(pipe.writeEnd)
    this.#child = child
    const exited = new Promise<string>(resolve => {
      child.once('exit', (code, signal) => resolve(`it ended with ${code ?? signal}`))
      child.once('error', error => resolve(error.message))
    })
    void exited.then(reason => {
      for (const pipe of Object.values(pipes)) pipe.drain()
      if (this.#child !== child) return
      this.#stopClock()
      this.#child = undefined
      this.#isSuspended = false
      // Before it came up, whoever started it is told.
      if (this.#cameUp && !this.#isEnding) this.#options.onUnexpectedExit(`${reason}; ${this.#lastLine()}`)
    })
    for (const until = performance.now() + READY_WITHIN_MS; performance.now() < until; ) {
      if (this.#child !== child) throw new Error(`the server did not start: ${this.#lastLine()}`)
      const answer = await this.ask('/healthz', 1_000).catch(() => undefined)
      if (answer?.status === 200) {
        this.#cameUp = true
        this.#runningSince = performance.now()
        return
      }
      await sleep(20)
    }
    await this.kill()
    throw new Error(`the server did not answer within ${READY_WITHIN_MS} ms: ${this.#lastLine()}`)
  }

  /** Ends the process at once. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL', 10_000)
  }

  /**
   * Asks the process to end. Resolves with its exit code, or with the name of the signal that ended it; with
   * `undefined` when it did not end within `patienceMs` and was killed.
   */
  async terminate(patienceMs: number): Promise<number | string | undefined> {
    return this.#end('SIGTERM', patienceMs)
  }

  suspend(): void {
    this.#stopClock()
    this.#suspensions++
    this.#isSuspended = true
    this.#child?.kill('SIGSTOP')
  }

  resume(): void {
    if (!this.#isSuspended) return
    this.#isSuspended = false
    this.#child?.kill('SIGCONT')
    if (this.#child) this.#runningSince = performance.now()
  }

  /** Takes every byte of a volume. */
  fill(volume: Volume): void {
    const file = openSync(this.path(volume, 'filler'), 'a')
    try {
      for (const size of [65_536, 4_096, 1]) {
        try {
          for (;;) writeSync(file, Buffer.alloc(size))
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
        }
      }
    } finally {
      closeSync(file)
    }
  }

  empty(volume: Volume): void {
    rmSync(this.path(volume, 'filler'), { force: true })
  }

  /** Removes a directory of the server with all that is in it, while the server may be writing there. */
  remove(volume: Volume): void {
    const directory = this.path(volume, volume === 'data' ? 'state' : 'files')
    // Not by this process: with a slow disk, that would be a pause of the observers.
    execFileSync('sh', ['-c', 'for n in 1 2 3 4 5; do rm -rf "$0" && exit 0; done; exit 1', directory])
  }

  closeConsole(output: Output): void {
    this.#pipes[output]?.close()
  }

  stallConsole(output: Output): void {
    this.#pipes[output]?.stall()
  }

  resumeConsole(output: Output): void {
    this.#pipes[output]?.resume()
  }

  setClock(offset: ClockOffset): void {
    this.#offset = offset
    this.#clock.set(offset)
  }

  /** Puts a state file where the server will find it at its first start. */
  importState(text: string): void {
    mkdirSync(this.path('data', 'state'), { mode: 0o700 })
    writeFileSync(this.path('data', 'state', 'user_state.json'), text, { mode: 0o600 })
  }

  hasState(): boolean {
    return existsSync(this.path('data', 'state', 'user_state.json'))
  }

  /** Which log file there is and how long it is, so that one can see that it grows. */
  logFile(): { readonly inode: number; readonly bytes: number } | undefined {
    const stat = statSync(this.path('log', 'files', 'who-is-online.log'), { throwIfNoEntry: false })
    return stat && { inode: stat.ino, bytes: stat.size }
  }

  /** Resident bytes and CPU seconds of the process; `undefined` when there is none. */
  usage(): { readonly bytes: number; readonly cpuSeconds: number } | undefined {
    try {
      const status = readFileSync(`/proc/${this.pid}/status`, 'utf8')
      const stat = readFileSync(`/proc/${this.pid}/stat`, 'utf8')
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      return {
        bytes: Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) * 1024,
        cpuSeconds: (Number(fields[11]) + Number(fields[12])) / 100,
      }
    } catch {
      return undefined
    }
  }

  /** Asks the server by HTTP, on a connection of its own. Rejects when no answer comes in time. */
  ask(path: string, patienceMs: number): Promise<Answer> {
    const begun = performance.now()
    return new Promise((resolve, reject) => {
      const request = get(
        { host: '127.0.0.1', port: this.#options.port, path, agent: false, timeout: patienceMs },
        response => {
          let body = ''
          response.setEncoding('utf8')
          response.on('data', part => {
            body += part
          })
          response.on('end', () =>
            resolve({ status: response.statusCode ?? 0, ms: performance.now() - begun, body }),
          )
          response.on('error', reject)
        },
      )
      request.on('timeout', () => request.destroy(new Error(`no answer within ${patienceMs} ms`)))
      request.on('error', reject)
    })
  }

  /** Ends all processes; the volumes go with the last one. */
  async dispose(): Promise<void> {
    this.resume()
    await this.kill()
    const gone = new Promise(resolve => this.#holder.once('exit', resolve))
    if (this.#holder.exitCode === null && this.#holder.signalCode === null) {
      this.#holder.kill('SIGKILL')
      await gone
    }
    rmSync(this.#dir, { recursive: true, force: true })
  }

  /** The same at once, for the way out of this process. */
  destroy(): void {
    this.#child?.kill('SIGKILL')
    this.#holder.kill('SIGKILL')
    rmSync(this.#dir, { recursive: true, force: true })
  }

  async #end(signal: NodeJS.Signals, patienceMs: number): Promise<number | string | undefined> {
    const child = this.#child
    if (!child) return undefined
    this.#isEnding = true
    const gone = new Promise<number | string>(resolve =>
      child.once('exit', (code, by) => resolve(code ?? by ?? 'nothing')),
    )
    // What it does while it stops is its own matter; clients are not served.
    this.#stopClock()
    child.kill(signal)
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<undefined>((resolve: (value: undefined) => void) => {
      timer = setTimeout(() => resolve(undefined), patienceMs)
    })
    const result = await Promise.race([gone, late])
    clearTimeout(timer)
    if (result === undefined) {
      child.kill('SIGKILL')
      await gone
    }
    return result
  }

  #stopClock(): void {
    this.#awakeMs = this.awake()
    this.#runningSince = undefined
  }

  #lastLine(): string {
    const lines = this.output.trim().split('\n')
    return (lines.findLast(line => /error/i.test(line)) ?? lines.at(-1) ?? '').slice(0, 400)
  }
}
