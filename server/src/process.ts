import { isatty } from 'node:tty'
import type { Log } from './log.ts'
import type { Server } from './server.ts'

// Signals, uncaught exceptions and the end of the process. Only main.ts imports this file.

/** Exit codes. Those of sysexits.h are used where one fits. */
export const EXIT = { ok: 0, failed: 1, usage: 64, locked: 75, config: 78 } as const

/** A stop ends within 10 s even if something hangs, as SPEC [Q3] promises. */
const STOP_MS = 9_500

/** After this time, a stop logs that it takes too long. */
const SLOW_STOP_MS = 8_500

/** How long a process may take to write its last log lines after an uncaught exception. */
const BUG_MS = 2_000

/** How long an exit waits after everything important has ended. Only log files can still hang then. */
const EXIT_MS = 3_000

/** How long an immediate exit waits for file operations that are about to finish. */
const IMMEDIATE_EXIT_MS = 250

/**
 * The terminal and a package manager may both forward the same Ctrl-C: a second signal within this time is
 * ignored.
 */
const SAME_SIGNAL_MS = 300

const POLL_MS = 10

/** File operations of the thread pool, as `process.getActiveResourcesInfo` names them. */
const FILE_OPERATION = /^(FSReq|FileHandleCloseReq)/i

interface ClosableLog extends Log {
  /** Resolves within a second. */
  close(): Promise<void>
  reopen(): void
}

/**
 * Ends the process in limited time: after a signal it stops the server first, after an uncaught exception it
 * does not. It does not depend on the log or on the disk to do so.
 */
export class ProcessEnd {
  readonly #log: ClosableLog
  #starting: Promise<Server> | undefined
  #stopAskedAt: number | undefined
  #hasBug = false

  constructor(log: ClosableLog) {
    this.#log = log
  }

  /** Installs the handlers for signals and uncaught exceptions. */
  listen(): void {
    process.on('uncaughtException', error => void this.#endWithBug(error))
    process.on('SIGTERM', () => void this.#stop('SIGTERM'))
    process.on('SIGINT', () => void this.#stop('SIGINT'))
    // On a terminal, SIGHUP means that the terminal was closed; otherwise, that log files were renamed.
    const onTerminal = isatty(0) || isatty(1)
    process.on('SIGHUP', () => (onTerminal ? void this.#stop('SIGHUP') : this.#log.reopen()))
  }

  /** Sets the server that a signal stops. A signal during the start waits for the end of the start. */
  setServer(starting: Promise<Server>): void {
    this.#starting = starting
  }

  /** Whether a signal has asked the process to stop. */
  get isStopping(): boolean {
    return this.#stopAskedAt !== undefined
  }

  /** Logs `text` as an error, and ends the process with exit code `code`. Never returns. */
  async fail(code: number, text: string, error?: unknown): Promise<never> {
    killAfter(STOP_MS)
    this.#log.error(text, error instanceof Error ? { error: error.stack ?? error.message } : {})
    return this.#exit(code)
  }

  async #endWithBug(error: unknown): Promise<void> {
    if (this.#hasBug) return // the first exception ends the process already
    this.#hasBug = true
    killAfter(BUG_MS)
    await this.fail(EXIT.failed, 'uncaught exception (a bug): the process ends', error)
  }

  async #stop(signal: string): Promise<void> {
    const now = performance.now()
    if (this.#stopAskedAt !== undefined) {
      if (now - this.#stopAskedAt > SAME_SIGNAL_MS) await exitImmediately(EXIT.failed)
      return
    }
    this.#stopAskedAt = now
    killAfter(STOP_MS)
    setTimeout(() => this.#logSlowStop(), SLOW_STOP_MS)
    this.#log.info('stopping', { signal })
    const server = await this.#starting?.catch(() => undefined)
    if (!server && this.#starting) return // the start failed, and main ends the process
    try {
      await server?.stop()
    } catch (error) {
      return this.fail(
        EXIT.failed,
        'the last save failed: the stored state is that of the last journal entry',
        error,
      )
    }
    this.#log.info('stopped')
    await this.#exit(EXIT.ok)
  }

  #logSlowStop(): void {
    this.#log.error('stopping takes too long, probably because the disk hangs: the process will kill itself')
  }

  async #exit(code: number): Promise<never> {
    killAfter(EXIT_MS)
    await this.#log.close()
    return exitWhenPossible(code)
  }
}

/** Exits after a short wait for file operations that are about to finish. */
function exitImmediately(code: number): Promise<never> {
  killAfter(IMMEDIATE_EXIT_MS)
  return exitWhenPossible(code)
}

/**
 * Exits when no file operation is pending. `process.exit` waits for the thread pool and blocks meanwhile:
 * with an operation that hangs, it would never return, and no timer could run to end the process.
 */
async function exitWhenPossible(code: number): Promise<never> {
  while (process.getActiveResourcesInfo().some(name => FILE_OPERATION.test(name))) {
    await new Promise(resolve => setTimeout(resolve, POLL_MS))
  }
  process.exit(code)
}

/** Kills the process after `ms`. Uses nothing that can hang: no log, no disk. */
function killAfter(ms: number): void {
  setTimeout(() => {
    process.kill(process.pid, 'SIGKILL')
    // The first process of a container can't kill itself. It can replace itself by a program that exits.
    process.execve?.(process.execPath, [process.execPath, '-e', 'process.exit(137)'], {})
    process.abort()
  }, ms)
}
