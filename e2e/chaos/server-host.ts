import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync } from 'node:fs'
import { join } from 'node:path'
import { sleep } from '@who-is-online/testing/client'
import { ConsolePipe } from './console-pipe.ts'
import { createFakeClock, type FakeClock } from './faketime.ts'
import type { Output } from './fault.ts'
import { type Answer, ask } from './probes.ts'
import { DIES_WITH_PARENT, Volumes } from './volumes.ts'

const READY_WITHIN_MS = 30_000

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
 * The server process and its environment: volumes, a console and a clock. All of them can be broken. Needs
 * root.
 */
export class Host {
  readonly volumes: Volumes
  readonly #options: HostOptions
  readonly #clock: FakeClock
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

  private constructor(options: HostOptions, volumes: Volumes) {
    this.#options = options
    this.volumes = volumes
    this.#clock = createFakeClock(options.faketime, join(volumes.dir, 'clock'))
  }

  /** Creates the environment. Rejects if that is not allowed here. */
  static async create(options: HostOptions): Promise<Host> {
    return new Host(options, await Volumes.create())
  }

  get pid(): number | undefined {
    return this.#child?.pid
  }

  /** Whether the server has started and is neither suspended nor ended. */
  get isRunning(): boolean {
    return this.#runningSince !== undefined
  }

  /** How long the server has run without being suspended, in ms. */
  awake(): number {
    return this.#awakeMs + (this.#runningSince === undefined ? 0 : performance.now() - this.#runningSince)
  }

  /** How often a start was tried. */
  get starts(): number {
    return this.#starts
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
      stdout: new ConsolePipe(join(this.volumes.dir, `stdout-${number}`)),
      stderr: new ConsolePipe(join(this.volumes.dir, `stderr-${number}`)),
    }
    this.#pipes = pipes
    this.#isEnding = false
    this.#hasResponded = false
    const { program, port } = this.#options
    const child = spawn(
      'setpriv',
      [
        ...DIES_WITH_PARENT,
        ...this.volumes.enter,
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
          DATA_DIR: this.volumes.dataDir,
          LOG_DIR: this.volumes.logDir,
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

  /** Sends an HTTP request on a new connection. Rejects after `timeoutMs`. */
  ask(path: string, timeoutMs: number): Promise<Answer> {
    return ask(this.#options.port, path, timeoutMs)
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

  /** Sets the wall clock of the server to this many seconds after that of this machine. */
  setClock(seconds: number): void {
    this.#clock.set(seconds)
  }

  /** Ends all processes, and so the volumes, and removes the directory. */
  async dispose(): Promise<void> {
    this.resume()
    await this.kill()
    await this.volumes.dispose()
  }

  /** Does the same synchronously, for the exit of this process. */
  destroy(): void {
    this.#child?.kill('SIGKILL')
    this.volumes.destroy()
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
