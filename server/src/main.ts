#!/usr/bin/env node
import { existsSync, readFileSync } from 'node:fs'
import { hostname, networkInterfaces } from 'node:os'
import { resolve } from 'node:path'
import { capacityOf, tooFewFiles } from './capacity.ts'
import { ClusterNode } from './cluster/node.ts'
import { type Configuration, configure, type Flags, readFlags } from './configuration.ts'
import { loadEnvFile } from './env-file.ts'
import { isOpen } from './identity/create-identity.ts'
import { runTokenCommand } from './identity/token-command.ts'
import { addressesOf, isReachable, linksTo, whyNotListening } from './listening.ts'
import { WinstonLog } from './log/winston-log.ts'
import { openFileLimit } from './open-files.ts'
import { printedConfiguration } from './print-config.ts'
import { EXIT, ProcessEnd } from './process.ts'
import { type Server, startServer } from './server.ts'
import { type Settings, WrongSettings } from './settings.ts'
import { help } from './settings-help.ts'
import {
  isStateCommand,
  readStateFlags,
  runStateCommand,
  STATE_USAGE,
  type StateCommand,
} from './state-command.ts'
import { filesIn } from './storage/files.ts'
import { createJsonFileStore } from './storage/json-file.ts'
import { createNoStore } from './storage/no-store.ts'
import { StoreDamaged, StoreLocked, StoreUnusable } from './storage/store.ts'
import { SystemClock } from './time/clock.ts'
import { version } from './version.ts'

const DAY_MS = 86_400_000

// Only this file, process.ts and time/ touch the process and the clock.

async function main(): Promise<void> {
  const [command, ...args] = process.argv.slice(2)
  if (command === 'token') return makeOrCheckToken(args)
  if (isStateCommand(command)) return importOrExport(command, args)
  const flags = flagsOf(process.argv.slice(2))
  if (flags.help) return print(help())
  if (flags.version) return print(version)
  const configuration = configurationOf(flags)
  if (flags['print-config']) {
    for (const warning of configuration.warnings) write(process.stderr, warning)
    const { limits } = capacityOf(configuration.settings, openFileLimit())
    return print(printedConfiguration(configuration, limits.connections))
  }
  await serve(configuration)
}

/** Runs the command `token`. It needs the settings of identity only, so it does not ask for those of production. */
async function makeOrCheckToken(args: readonly string[]): Promise<void> {
  const { settings } = configurationOf({ dev: true })
  const ports = { now: Date.now, steady: () => performance.now() }
  const { end, text } = await runTokenCommand(args, settings, ports)
  if (end === 'usage' || end === 'config') return exitWith(EXIT[end], text)
  print(text)
  // Connections to the server of the keys would keep the process alive for some seconds.
  process.exit(end === 'done' ? EXIT.ok : EXIT.failed)
}

/** Runs a command that reads or writes a state file. It needs no settings of production either. */
async function importOrExport(command: StateCommand, args: readonly string[]): Promise<void> {
  if (args.includes('--help')) return print(STATE_USAGE)
  let flags: ReturnType<typeof readStateFlags>
  try {
    flags = readStateFlags(args)
  } catch (error) {
    return exitWith(EXIT.usage, `${(error as Error).message}\n\n${STATE_USAGE}`)
  }
  const { settings } = configurationOf({ dev: true, ...flags })
  const tell = (text: string, fields?: object): void => {
    write(process.stderr, fields ? `${text} ${JSON.stringify(fields)}` : text)
  }
  const store = createJsonFileStore({
    dataDir: settings.DATA_DIR,
    now: Date.now,
    steady: () => performance.now(),
    log: { info: tell, error: tell },
  })
  const { end, text } = await runStateCommand(command, settings, { store, version })
  if (end !== 'ok') return exitWith(EXIT[end], text)
  print(text)
}

function flagsOf(args: readonly string[]): Flags {
  try {
    return readFlags(args)
  } catch (error) {
    return exitWith(EXIT.usage, `${(error as Error).message}\n\n${help()}`)
  }
}

function configurationOf(flags: Pick<Flags, 'dev' | 'port' | 'data-dir'>): Configuration {
  try {
    return configure({
      flags,
      environment: process.env,
      file: loadEnvFile('.env'),
      readSecret: path => readFileSync(path, 'utf8'),
    })
  } catch (error) {
    if (error instanceof WrongSettings) return exitWith(EXIT.config, error.message)
    throw error
  }
}

async function serve({ settings, warnings }: Configuration): Promise<void> {
  const openFiles = openFileLimit()
  const problem = tooFewFiles(openFiles)
  if (problem !== undefined) exitWith(EXIT.config, problem)
  const steady = () => performance.now()
  const cluster = clusterOf(settings, steady)
  // All nodes stamp with the clock of Redis, so that their times can be compared.
  const clock = new SystemClock(() => cluster?.time ?? Date.now(), steady)
  const development = settings.ENVIRONMENT === 'development'
  const log = new WinstonLog({
    level: settings.LOG_LEVEL,
    json: !development,
    dir: settings.LOG_DIR,
    now: () => clock.now(),
    steady: () => clock.steady(),
    stdout: process.stdout,
    stderr: process.stderr,
  })
  const end = new ProcessEnd(log)
  end.listen()

  for (const warning of warnings) log.info(warning)
  const { main: file } = filesIn(resolve(settings.DATA_DIR))
  if (cluster && existsSync(file)) {
    log.info('a node of a cluster does not use this state: run cluster-import, then move it away', { file })
  }
  const store = cluster
    ? createNoStore()
    : createJsonFileStore({
        dataDir: settings.DATA_DIR,
        saveEveryMs: settings.SAVE_EVERY_MS,
        now: () => clock.now(),
        steady: () => clock.awake(),
        log,
      })
  const starting = startServer({
    settings,
    store,
    clock,
    log,
    version,
    openFiles,
    droppedLines: () => log.dropped,
    cluster,
    unusable: reason => void end.fail(EXIT.config, reason),
  })
  end.setServer(starting)
  let server: Server
  try {
    server = await starting
  } catch (error) {
    if (error instanceof StoreLocked) return end.fail(EXIT.locked, error.message)
    if (error instanceof StoreDamaged || error instanceof StoreUnusable)
      return end.fail(EXIT.config, error.message)
    const reason = whyNotListening(
      error as Error,
      placeOf(error as Error, settings),
      addressesOf(networkInterfaces()),
    )
    if (reason !== undefined) return end.fail(EXIT.failed, reason)
    return end.fail(EXIT.failed, `the server can't start: ${(error as Error).message}`, error)
  }
  if (end.isStopping) return

  log.info(`listening on ${settings.HOST ?? 'all interfaces'}, port ${server.port}`, {
    environment: settings.ENVIRONMENT,
    ...linksTo(
      { host: settings.HOST, port: server.port },
      { hasPage: server.hasPage, isOpen: isOpen(settings) },
    ),
  })
  if (development && isOpen(settings) && isReachable(settings.HOST)) {
    log.info('in development, others in your network can connect as any user; unset HOST to prevent that')
  }
}

/** Where the server could not listen. Node says the port, except in an error about HOST. */
function placeOf(error: Error & { readonly port?: number }, { HOST: host, PORT, METRICS_PORT }: Settings) {
  return METRICS_PORT !== undefined && error.port === METRICS_PORT
    ? ({ host, port: METRICS_PORT, setting: 'METRICS_PORT' } as const)
    : { host, port: PORT }
}

/** The node of the cluster that the settings name; `undefined` if this server is alone. */
function clusterOf(settings: Settings, steady: () => number): ClusterNode | undefined {
  const { REDIS_URL: url, REDIS_PREFIX: prefix, NODE_NAME: name } = settings
  const { RESTART_GRACE_MS, KEEP_DAYS, HIDDEN_KEEP_MS } = settings
  if (url === undefined) return undefined
  return new ClusterNode({
    url,
    prefix,
    name: name ?? hostname(),
    version,
    restartGraceMs: RESTART_GRACE_MS,
    keepMs: KEEP_DAYS * DAY_MS,
    hiddenKeepMs: HIDDEN_KEEP_MS,
    steady,
  })
}

function print(text: string): void {
  write(process.stdout, text)
}

function exitWith(code: number, text: string): never {
  write(process.stderr, text)
  process.exit(code)
}

/** Writes to the console before the log exists. A failure is ignored, because there is no other output. */
function write(stream: NodeJS.WriteStream, text: string): void {
  stream.on('error', () => {})
  try {
    stream.write(`${text}\n`)
  } catch {
    // Node writes to files synchronously, so a failure can be thrown here.
  }
}

await main()
