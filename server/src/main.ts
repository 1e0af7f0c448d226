#!/usr/bin/env node
import { readFileSync } from 'node:fs'
import { parseArgs, parseEnv } from 'node:util'
import { WinstonLog } from './log.ts'
import { type Server, startServer } from './server.ts'
import { describe, help, readSettings, type Settings, settingsTable, WrongSettings } from './settings.ts'
import { createJsonFileStore } from './storage/json-file.ts'
import { StoreDamaged, StoreLocked } from './storage/store.ts'
import { SystemClock } from './time/clock.ts'

// The only file that touches the process and the clock.

/** Exit codes, after sysexits.h where it has one. */
const EXIT = { ok: 0, failed: 1, usage: 64, locked: 75, config: 78 } as const

/** Some editors begin a file with it. */
const BYTE_ORDER_MARK = /^\uFEFF/

/** A terminal and the package manager between may both pass on one Ctrl-C. */
const SAME_SIGNAL_MS = 300

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))

async function main(): Promise<void> {
  const flags = readFlags()
  if (flags.help) return print(help())
  if (flags.version) return print(version)
  const fromFile = readEnvFile()
  const texts = {
    ...(flags.dev && { ENVIRONMENT: 'development' }),
    ...fromFile,
    ...given(process.env),
  }
  const settings = settle(texts)
  if (flags['print-config']) return print(describe(texts))
  await serve(settings, Object.keys(fromFile))
}

function readFlags(): { help: boolean; version: boolean; 'print-config': boolean; dev: boolean } {
  const flag = { type: 'boolean', default: false } as const
  try {
    return parseArgs({ options: { help: flag, version: flag, 'print-config': flag, dev: flag } }).values
  } catch (error) {
    return leave(EXIT.usage, `${(error as Error).message}\n\n${help()}`)
  }
}

function readEnvFile(): Record<string, string | undefined> {
  try {
    return given(parseEnv(readFileSync('.env', 'utf8').replace(BYTE_ORDER_MARK, '')))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {}
    return leave(EXIT.config, `.env can't be read: ${(error as Error).message}`)
  }
}

/** Without what is there but empty: `PORT=` in a file does not unset what comes before it. */
function given(texts: Record<string, string | undefined>): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(texts).filter(([, text]) => text?.trim()))
}

function settle(texts: Record<string, string | undefined>): Settings {
  try {
    return readSettings(texts)
  } catch (error) {
    if (error instanceof WrongSettings) return leave(EXIT.config, error.message)
    throw error
  }
}

async function serve(settings: Settings, named: readonly string[]): Promise<void> {
  const clock = new SystemClock(Date.now, () => performance.now())
  const development = settings.ENVIRONMENT === 'development'
  const log = new WinstonLog({
    level: settings.LOG_LEVEL ?? (development ? 'debug' : 'info'),
    json: !development,
    dir: settings.LOG_DIR,
    now: () => clock.steady(),
  })
  const fail = async (code: number, text: string, error?: unknown): Promise<never> => {
    log.error(text, error instanceof Error ? { error: error.stack ?? error.message } : {})
    await log.close()
    process.exit(code)
  }
  process.on('uncaughtException', error => void fail(EXIT.failed, 'a bug: the process ends', error))

  for (const name of named.filter(name => !Object.hasOwn(settingsTable, name))) {
    log.info('.env has a setting that is unknown here', { name })
  }
  const store = createJsonFileStore({
    dataDir: settings.DATA_DIR,
    saveEveryMs: settings.SAVE_EVERY_MS,
    now: () => clock.now(),
    log,
  })
  let server: Server | undefined
  let askedAt: number | undefined
  const stop = async (signal: string): Promise<void> => {
    const now = performance.now()
    if (askedAt !== undefined && now - askedAt > SAME_SIGNAL_MS) process.exit(EXIT.failed)
    if (askedAt !== undefined) return
    askedAt = now
    log.info('stopping', { signal })
    if (!server) return fail(EXIT.failed, 'stopped before the start was over')
    try {
      await server.stop()
    } catch (error) {
      return fail(EXIT.failed, 'the last save failed; the state is that of the last journal entry', error)
    }
    log.info('stopped')
    await log.close()
    process.exit(EXIT.ok)
  }
  process.on('SIGTERM', () => void stop('SIGTERM'))
  process.on('SIGINT', () => void stop('SIGINT'))

  try {
    server = await startServer({ settings, store, clock, log, version, openFiles: openFileLimit() })
  } catch (error) {
    if (error instanceof StoreLocked) return fail(EXIT.locked, error.message)
    if (error instanceof StoreDamaged) return fail(EXIT.config, error.message)
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EADDRINUSE')
      return fail(EXIT.failed, `port ${settings.PORT} is taken; set PORT to another one`)
    return fail(EXIT.failed, `the server can't start: ${(error as Error).message}`, error)
  }

  log.info(`listening on ${settings.HOST ?? 'all interfaces'}, port ${server.port}`, {
    environment: settings.ENVIRONMENT,
    open: `http://localhost:${server.port}/`,
    connect: `ws://localhost:${server.port}/ws?userId=YOUR_USER_ID`,
  })
}

/** How many files this process may have open, where the system tells. */
function openFileLimit(): number {
  try {
    const line = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))
    return line ? Number(line[1]) : Number.POSITIVE_INFINITY
  } catch {
    return Number.POSITIVE_INFINITY
  }
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

function leave(code: number, text: string): never {
  process.stderr.write(`${text}\n`)
  process.exit(code)
}

await main()
