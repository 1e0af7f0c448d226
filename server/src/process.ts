import { isatty } from 'node:tty'
import type { Log } from './log.ts'
import type { Server } from './server.ts'

// Signals, bugs, and the end of the process. Only `main` imports it.

/** Exit codes, after sysexits.h where it has one. */
export const EXIT = { ok: 0, failed: 1, usage: 64, locked: 75, config: 78 } as const

/** A stop ends within 10 s, whatever hangs: the promise of SPEC [Q3]. */
const STOP_MS = 9_500

/** When a stop says that it takes too long. */
const LATE_STOP_MS = 8_500

/** How long a process with a bug may take to write its last lines. */
const BUG_MS = 2_000

/** How long an exit waits when everything has ended that matters: only log files can still hang. */
const EXIT_MS = 3_000

/** How long an exit at once waits for file operations that are about to finish. */
const AT_ONCE_MS = 250

/** A terminal and the package manager between may both pass on one Ctrl-C. */
const SAME_SIGNAL_MS = 300

const POLL_MS = 10

/** Operations of the thread pool on files, as `process.getActiveResourcesInfo` names them. */
const FILE_OPERATION = /^(FSReq|FileHandleCloseReq)/i

interface ClosableLog extends Log {
  /** Resolves within a second. */
  close(): Promise<void>
  reopen(): void
}

/**
 * Ends the process: on a signal after a stop of the server, on a bug at once; always in bounded time. What it needs
 * for that depends neither on the log nor on the disk.
 */
export class ProcessEnd {
  readonly #log: ClosableLog
  #starting: Promise<Server> | undefined
  #stopAskedAt: number | undefined
  #hasBug = false

  constructor(log: ClosableLog) {
    this.#log = log
  }

  /** Takes over what ends a process: signals and exceptions that nobody caught. */
  listen(): void {
    process.on('uncaughtException', error => void this.#endWithBug(error))
    process.on('SIGTERM', () => void this.#stop('SIGTERM'))
    process.on('SIGINT', () => void this.#stop('SIGINT'))
    // Of a terminal it says that the terminal is gone, of everything else that log files were renamed.
    const onTerminal = isatty(0) || isatty(1)
    process.on('SIGHUP', () => (onTerminal ? void this.#stop('SIGHUP') : this.#log.reopen()))
  }

  /** Sets what a signal stops. A signal that comes before it has started waits for that. */
  serves(starting: Promise<Server>): void {
    this.#starting = starting
  }

  get isStopping(): boolean {
    return this.#stopAskedAt !== undefined
  }

  /** Logs why and ends the process with `code`. */
  async fail(code: number, text: string, error?: unknown): Promise<never> {
    killAfter(STOP_MS)
    this.#log.error(text, error instanceof Error ? { error: error.stack ?? error.message } : {})
    return this.#leave(code)
  }

  async #endWithBug(error: unknown): Promise<void> {
    if (this.#hasBug) return // the first one ends the process
    this.#hasBug = true
    killAfter(BUG_MS)
    await this.fail(EXIT.failed, 'a bug: the process ends', error)
  }

  async #stop(signal: string): Promise<void> {
    const now = performance.now()
    if (this.#stopAskedAt !== undefined) {
      if (now - this.#stopAskedAt > SAME_SIGNAL_MS) await exitAtOnce(EXIT.failed)
      return
    }
    this.#stopAskedAt = now
    killAfter(STOP_MS)
    setTimeout(() => this.#sayLate(), LATE_STOP_MS)
    this.#log.info('stopping', { signal })
    const server = await this.#starting?.catch(() => undefined)
    if (!server && this.#starting) return // whoever started it ends the process
    try {
      await server?.stop()
    } catch (error) {
      return this.fail(
        EXIT.failed,
        'the last save failed; the state is that of the last journal entry',
        error,
      )
    }
    this.#log.info('stopped')
    await this.#leave(EXIT.ok)
  }

  #sayLate(): void {
    this.#log.error('the stop takes too long, probably because the disk hangs: the process kills itself soon')
  }

  async #leave(code: number): Promise<never> {
    killAfter(EXIT_MS)
    await this.#log.close()
    return exitWhenPossible(code)
  }
}

/** Exits, at once but for file operations that are about to finish. */
function exitAtOnce(code: number): Promise<never> {
  killAfter(AT_ONCE_MS)
  return exitWhenPossible(code)
}

/**
 * Exits when no file operation is under way. `process.exit` waits for the thread pool, and blocks meanwhile: with an
 * operation that hangs it would not return, and no timer could end the process.
 */
async function exitWhenPossible(code: number): Promise<never> {
  while (process.getActiveResourcesInfo().some(name => FILE_OPERATION.test(name))) {
    await new Promise(resolve => setTimeout(resolve, POLL_MS))
  }
  process.exit(code)
}

/** Ends the process without any help, when `ms` have passed. Uses nothing that may hang: no log, no disk. */
function killAfter(ms: number): void {
  setTimeout(() => {
    process.kill(process.pid, 'SIGKILL')
    // Still here: the first process of a container can't kill itself. It can become a program that ends.
    process.execve?.(process.execPath, [process.execPath, '-e', 'process.exit(137)'], {})
    process.abort()
  }, ms)
}
