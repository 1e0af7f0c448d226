#!/usr/bin/env node
import { readFileSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import { type Configuration, configure, type Flags, readFlags } from './configuration.ts'
import { type EnvFile, readEnvFile, unreadableEnvFile } from './env-file.ts'
import { isReachable, linksTo, whyNotListening } from './listening.ts'
import { WinstonLog } from './log.ts'
import { type Server, startServer } from './server.ts'
import { describe, help, WrongSettings } from './settings.ts'
import { createJsonFileStore } from './storage/json-file.ts'
import { StoreDamaged, StoreLocked } from './storage/store.ts'
import { SystemClock } from './time/clock.ts'

// The only file that touches the process and the clock.

/** Exit codes, after sysexits.h where it has one. */
const EXIT = { ok: 0, failed: 1, usage: 64, locked: 75, config: 78 } as const

/** A terminal and the package manager between may both pass on one Ctrl-C. */
const SAME_SIGNAL_MS = 300

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))

async function main(): Promise<void> {
  const flags = flagsOf(process.argv.slice(2))
  if (flags.help) return print(help())
  if (flags.version) return print(version)
  const configuration = configurationOf(flags)
  if (flags['print-config']) {
    for (const warning of configuration.warnings) process.stderr.write(`${warning}\n`)
    return print(describe(configuration.texts))
  }
  await serve(configuration)
}

function flagsOf(args: readonly string[]): Flags {
  try {
    return readFlags(args)
  } catch (error) {
    return leave(EXIT.usage, `${(error as Error).message}\n\n${help()}`)
  }
}

function configurationOf(flags: Flags): Configuration {
  try {
    return configure({ flags, environment: process.env, file: envFile() })
  } catch (error) {
    if (error instanceof WrongSettings) return leave(EXIT.config, error.message)
    throw error
  }
}

function envFile(): EnvFile {
  try {
    return readEnvFile(readFileSync('.env'))
  } catch (error) {
    return unreadableEnvFile(error as Error)
  }
}

async function serve({ settings, warnings }: Configuration): Promise<void> {
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

  for (const warning of warnings) log.info(warning)
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
    const why = whyNotListening(error as Error, { host: settings.HOST, port: settings.PORT }, ownAddresses())
    if (why !== undefined) return fail(EXIT.failed, why)
    return fail(EXIT.failed, `the server can't start: ${(error as Error).message}`, error)
  }

  log.info(`listening on ${settings.HOST ?? 'all interfaces'}, port ${server.port}`, {
    environment: settings.ENVIRONMENT,
    ...linksTo({ host: settings.HOST, port: server.port }),
  })
  if (development && isReachable(settings.HOST)) {
    log.info(
      'development lets others in your network connect, as any user; set HOST=127.0.0.1 to keep them out',
    )
  }
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

function ownAddresses(): string[] {
  return Object.values(networkInterfaces()).flatMap(all => (all ?? []).map(({ address }) => address))
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

function leave(code: number, text: string): never {
  process.stderr.write(`${text}\n`)
  process.exit(code)
}

await main()
