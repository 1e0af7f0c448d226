import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

/** What a program is, and where its output goes. */
export interface ProgramOptions {
  readonly name: string
  readonly command: readonly [program: string, ...args: string[]]
  readonly env: NodeJS.ProcessEnv
  readonly cwd: string
  readonly print: (line: string) => void
  /** How to start it again, for the line that says that it has ended. */
  readonly startAgain: string
}

/** How long a program may take to end after SIGTERM, in ms. A node takes at most 10 s. */
const STOP_MS = 12_000

/** A program that this process starts, ends and may start again. It ends with this process, also if that is killed. */
export class Program {
  readonly name: string
  readonly #options: ProgramOptions
  #child: ChildProcess | undefined
  #isPaused = false
  #isStopping = false

  constructor(options: ProgramOptions) {
    this.name = options.name
    this.#options = options
  }

  /** `undefined` while it does not run. */
  get pid(): number | undefined {
    return this.#child?.pid
  }

  get state(): 'running' | 'paused' | 'ended' {
    if (!this.#child) return 'ended'
    return this.#isPaused ? 'paused' : 'running'
  }

  /** Starts it. Does nothing if it runs. */
  start(): void {
    if (this.#child) return
    const { name, command, env, cwd, print, startAgain } = this.#options
    const [program, ...args] = command
    // In a process group of its own it does not get the Ctrl-C of the terminal, so programs end in the right order.
    const child = spawn(program, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'], detached: true })
    this.#child = child
    this.#isPaused = false
    this.#isStopping = false
    for (const input of [child.stdout, child.stderr])
      createInterface({ input }).on('line', line => print(`${name} | ${line}`))
    child.once('error', error => {
      print(`${name} can't be started: ${error.message}`)
      if (child.pid === undefined && this.#child === child) this.#child = undefined
    })
    child.once('exit', (code, signal) => {
      if (this.#child === child) this.#child = undefined
      if (!this.#isStopping) print(`${name} has ended (${signal ?? `exit code ${code}`}). ${startAgain}`)
    })
    guard(child)
  }

  /** Suspends it: its connections stay open, and it does nothing. */
  pause(): void {
    if (this.#child?.kill('SIGSTOP')) this.#isPaused = true
  }

  resume(): void {
    if (this.#child?.kill('SIGCONT')) this.#isPaused = false
  }

  /** Ends it as a crash does. Resolves when it has ended. */
  kill(): Promise<void> {
    return this.#end('SIGKILL')
  }

  /** Ends it in an orderly way, or kills it after 12 s. Resolves when it has ended. */
  stop(): Promise<void> {
    this.#isStopping = true
    return this.#end('SIGTERM')
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child
    if (!child) return
    const exit = new Promise<void>(resolve => child.once('exit', () => resolve()))
    // A process that could not be started never exits.
    if (child.pid === undefined) return
    const patience = setTimeout(() => child.kill('SIGKILL'), STOP_MS)
    child.kill(signal)
    // A suspended process gets SIGTERM when it goes on.
    child.kill('SIGCONT')
    await exit
    clearTimeout(patience)
  }
}

/**
 * Starts a shell that kills a program when this process has ended, in whatever way: then the input of the shell ends.
 */
function guard(child: ChildProcess): void {
  if (child.pid === undefined) return
  const shell = spawn('sh', ['-c', 'read -r _; kill -9 "$0"', `${child.pid}`], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  shell.on('error', () => {})
  shell.unref()
  child.once('exit', () => {
    shell.kill('SIGKILL')
    shell.stdin.destroy()
  })
}
