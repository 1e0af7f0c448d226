import { type LimitOptions, UNLIMITED } from './gateway/limits.ts'
import type { Settings } from './settings.ts'

/** What the server can serve at once, from its settings and from the open files that the system allows it. */
export interface Capacity {
  readonly limits: LimitOptions
  /** The most TCP connections, WebSocket or plain HTTP; Infinity for no limit. */
  readonly sockets: number
  /** What an operator should know: the open-file limit allows less than the setting or its default. */
  readonly warning: string | undefined
}

/** The most connections when `MAX_CONNECTIONS` is unset. */
export const DEFAULT_CONNECTIONS = 20_000

/** Open files kept for everything but WebSockets: the state and the logs, plain HTTP requests, and what Node itself opens. */
const FILES_KEPT = 256

/** An idle server has 28 files open; saving and rotating logs open some more. Plain HTTP connections never take these. */
const OWN_FILES = 48

/** Plain HTTP connections beside the WebSockets: health checks, metrics, handshakes, the live page. */
const PLAIN_SOCKETS = 128

/**
 * Computes the capacity. A connection is an open file, and a process that has none left can't save its state. So `MAX_CONNECTIONS` is
 * lowered to what the open-file limit carries: all but 256 of the files, and never less than half of them.
 *
 * @param openFiles how many files the process may have open; Infinity if that is not known.
 */
export function capacityOf(settings: Settings, openFiles: number): Capacity {
  const carried = Math.max(1, openFiles - FILES_KEPT, Math.floor(openFiles / 2))
  if (settings.LIMITS === 'off') {
    const warning =
      carried < DEFAULT_CONNECTIONS ? fewFiles(carried, openFiles, 'LIMITS is off, but ') : undefined
    return { limits: UNLIMITED, sockets: Number.POSITIVE_INFINITY, warning }
  }
  const wanted = settings.MAX_CONNECTIONS ?? DEFAULT_CONNECTIONS
  const connections = Math.min(wanted, carried)
  const spare = Math.min(PLAIN_SOCKETS, Math.max(0, openFiles - connections - OWN_FILES))
  const asked = settings.MAX_CONNECTIONS === undefined ? '' : `MAX_CONNECTIONS is ${wanted}, but `
  return {
    limits: limitsOf(settings, connections),
    sockets: connections + spare,
    warning: carried < wanted ? fewFiles(carried, openFiles, asked) : undefined,
  }
}

function fewFiles(connections: number, openFiles: number, asked: string): string {
  return (
    `${asked}the open-file limit of ${openFiles} is enough for ${connections} connections: raise it ` +
    '(ulimit -n, LimitNOFILE= in systemd, --ulimit nofile= in Docker)'
  )
}

function limitsOf(settings: Settings, connections: number): LimitOptions {
  const perSecond = (rate: number, burst: number) => ({ burst, everyMs: 1_000 / rate })
  const { HANDSHAKES_PER_SECOND: all, HANDSHAKES_PER_SECOND_PER_ADDRESS: one } = settings
  return {
    connections,
    connectionsPerUser: settings.MAX_CONNECTIONS_PER_USER,
    connectionsPerAddress: settings.MAX_CONNECTIONS_PER_ADDRESS,
    handshakes: perSecond(all, 2 * all),
    handshakesPerAddress: perSecond(one, settings.HANDSHAKES_BURST_PER_ADDRESS),
    messages: perSecond(settings.MESSAGES_PER_SECOND, settings.MESSAGES_BURST),
    allUsers: perSecond(1, 10),
  }
}
