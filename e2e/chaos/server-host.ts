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
import { ConsolePipe } from './console-pipe.ts'
import { createFakeClock, type FakeClock } from './faketime.ts'
import type { ClockOffset, Output, Volume } from './schedule.ts'

const READY_WITHIN_MS = 30_000
const SIZES_MIB: Readonly<Record<Volume, number>> = { data: 8, log: 4 }

/** Arguments of `setpriv`: the children end with the test process. */
const DIES_WITH_PARENT = ['--pdeathsig', 'KILL']

/** An HTTP response, and how long it took. */
export interface Answer {
  readonly status: number
  readonly ms: number
  readonly body: string
}

/** Options of {@link Host}. */
export interface HostOptions {
  /** The server to run: `main.ts` of the sources, or a built `main.js`. */
  readonly program: string
  readonly port: number
  /** The path of libfaketime. */
  readonly faketime: string
  /** Called when the process ends unexpectedly. */
  readonly onUnexpectedExit: (reason: string) => void
}

/**
 * The environment of the server: two small volumes in a mount namespace, a console and a clock. All of them
 * can be broken. Needs root.
 */
export class Host {
  readonly #options: HostOptions
  readonly #dir: string
  readonly #holder: ChildProcess
  readonly #clock: FakeClock
  #offset: ClockOffset = 0
  #child: ChildProcess | undefined
  #isEnding = false
  #hasResponded = false
  #pipes: Partial<Record<Output, ConsolePipe>> = {}
  #starts = 0
  #suspensions = 0
  #isSuspended = false
  /** How long the server has run in earlier periods, and the start of the current one. */
  #awakeMs = 0
  #runningSince: number | undefined

  private constructor(options: HostOptions, dir: string, holder: ChildProcess) {
    this.#options = options
    this.#dir = dir
    this.#holder = holder
    this.#clock = createFakeClock(options.faketime, join(dir, 'clock'))
  }

  /** Creates the namespace and mounts the volumes. Rejects if that is not allowed here. */
  static async create(options: HostOptions): Promise<Host> {
    const dir = mkdtempSync(join(tmpdir(), 'who-is-online-edges-'))
    for (const volume of ['data', 'log']) mkdirSync(join(dir, volume))
    const mount = (volume: Volume) =>
      `mount -t tmpfs -o size=${SIZES_MIB[volume]}m,mode=700 tmpfs "${join(dir, volume)}"`
    // The namespace and its mounts end with the last process in it.
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
      throw new Error(`can't create a mount namespace with volumes: ${output.trim()}`)
    }
    return new Host(options, dir, holder)
  }

  /** A path on a volume, as seen from outside the namespace. */
  path(volume: Volume, ...names: string[]): string {
    return join(`/proc/${this.#holder.pid}/root`, this.#dir, volume, ...names)
  }

  get pid(): number | undefined {
    return this.#child?.pid
  }

  get clockOffset(): ClockOffset {
    return this.#offset
  }

  /** Whether the server has started and is neither suspended nor ended. */
  get isRunning(): boolean {
    return this.#runningSince !== undefined
  }

  /** How long the server has run without being suspended, in ms. */
  awake(): number {
    return this.#awakeMs + (this.#runningSince === undefined ? 0 : performance.now() - this.#runningSince)
  }

  /** A text that changes whenever the process is started, ended, suspended or resumed. */
  get era(): string {
    return `${this.#starts} ${this.#suspensions} ${this.isRunning}`
  }

  /** The last part of the console output, as far as it was read. */
  get output(): string {
    return `${this.#pipes.stdout?.text ?? ''}${this.#pipes.stderr?.text ?? ''}`
  }

  /** Starts the server and waits until it responds. Rejects if it ends or does not respond in time. */
  async start(): Promise<void> {
    const number = ++this.#starts
    const pipes = {
      stdout: new ConsolePipe(join(this.#dir, `stdout-${number}`)),
      stderr: new ConsolePipe(join(this.#dir, `stderr-${number}`)),
    }
    this.#pipes = pipes
    this.#isEnding = false
    this.#hasResponded = false
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
          // Debug lines, so that the console and the log file are written all the time.
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
      // Before it responds, `start` reports the end.
      if (this.#hasResponded && !this.#isEnding)
        this.#options.onUnexpectedExit(`${reason}; ${this.#lastLine()}`)
    })
    for (const until = performance.now() + READY_WITHIN_MS; performance.now() < until; ) {
      if (this.#child !== child) throw new Error(`the server did not start: ${this.#lastLine()}`)
      const answer = await this.ask('/healthz', 1_000).catch(() => undefined)
      if (answer?.status === 200) {
        this.#hasResponded = true
        this.#runningSince = performance.now()
        return
      }
      await sleep(20)
    }
    await this.kill()
    throw new Error(`the server did not answer within ${READY_WITHIN_MS} ms: ${this.#lastLine()}`)
  }

  /** Kills the process. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL', 10_000)
  }

  /**
   * Sends SIGTERM. Resolves with the exit code, with the name of the signal that ended the process, or with
   * `undefined` if it did not end within `timeoutMs` and was killed.
   */
  async terminate(timeoutMs: number): Promise<number | string | undefined> {
    return this.#end('SIGTERM', timeoutMs)
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

  /** Fills a volume completely. */
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

  /** Removes a directory of the server with its content, while the server may write to it. */
  remove(volume: Volume): void {
    const directory = this.path(volume, volume === 'data' ? 'state' : 'files')
    // In another process: with a slow disk, it would block the observers of this one.
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

  /** Writes a state file for the first start of the server. */
  importState(text: string): void {
    mkdirSync(this.path('data', 'state'), { mode: 0o700 })
    writeFileSync(this.path('data', 'state', 'user_state.json'), text, { mode: 0o600 })
  }

  hasState(): boolean {
    return existsSync(this.path('data', 'state', 'user_state.json'))
  }

  /** The inode and size of the log file; `undefined` if it does not exist. */
  logFile(): { readonly inode: number; readonly bytes: number } | undefined {
    const stat = statSync(this.path('log', 'files', 'who-is-online.log'), { throwIfNoEntry: false })
    return stat && { inode: stat.ino, bytes: stat.size }
  }

  /** The resident memory and CPU time of the process; `undefined` if none runs. */
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

  /** Sends an HTTP request on a new connection. Rejects after `timeoutMs`. */
  ask(path: string, timeoutMs: number): Promise<Answer> {
    const begun = performance.now()
    return new Promise((resolve, reject) => {
      const request = get(
        { host: '127.0.0.1', port: this.#options.port, path, agent: false, timeout: timeoutMs },
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
      request.on('timeout', () => request.destroy(new Error(`no answer within ${timeoutMs} ms`)))
      request.on('error', reject)
    })
  }

  /** Ends all processes, and so the volumes, and removes the directory. */
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

  /** Does the same synchronously, for the exit of this process. */
  destroy(): void {
    this.#child?.kill('SIGKILL')
    this.#holder.kill('SIGKILL')
    rmSync(this.#dir, { recursive: true, force: true })
  }

  async #end(signal: NodeJS.Signals, timeoutMs: number): Promise<number | string | undefined> {
    const child = this.#child
    if (!child) return undefined
    this.#isEnding = true
    const gone = new Promise<number | string>(resolve =>
      child.once('exit', (code, by) => resolve(code ?? by ?? 'nothing')),
    )
    // While it stops, it does not count as running.
    this.#stopClock()
    child.kill(signal)
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<undefined>((resolve: (value: undefined) => void) => {
      timer = setTimeout(() => resolve(undefined), timeoutMs)
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
