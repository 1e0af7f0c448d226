import { type LimitOptions, UNLIMITED } from './gateway/limits.ts'
import type { Settings } from './settings.ts'

/** What the server can handle at the same time, computed from the settings and the open-file limit. */
export interface Capacity {
  readonly limits: LimitOptions
  /** Maximum number of TCP connections, WebSocket and plain HTTP together; Infinity for no limit. */
  readonly sockets: number
  /** A sentence for the operator if the open-file limit allows less than the setting or its default. */
  readonly warning: string | undefined
}

/** Maximum number of connections if `MAX_CONNECTIONS` is unset. */
export const DEFAULT_CONNECTIONS = 20_000

/**
 * Open files reserved for everything except WebSockets: state, logs, plain HTTP, and files that Node opens.
 */
const RESERVED_FILES = 256

/**
 * Open files that plain HTTP connections can't use: an idle server has 28, and saving and rotating logs need
 * more.
 */
const OWN_FILES = 48

/** The lowest open-file limit: half of the files are for connections, and the rest must be enough. */
const MIN_OPEN_FILES = 2 * OWN_FILES

/**
 * Plain HTTP connections in addition to the WebSockets: health checks, metrics, handshakes, the live page.
 */
const PLAIN_HTTP_SOCKETS = 128

/**
 * A sentence for the operator if the server can't run with this open-file limit; `undefined` if it can. With
 * fewer files it would listen, but it could accept nobody, or save nothing.
 */
export function tooFewFiles(openFiles: number): string | undefined {
  if (openFiles >= MIN_OPEN_FILES) return undefined
  return `the open-file limit of ${openFiles} is too low: the server needs at least ${MIN_OPEN_FILES}; ${HOW_TO_RAISE}`
}

/**
 * Computes the capacity. Each connection is an open file, and a process without free files can't save its
 * state. So `MAX_CONNECTIONS` is reduced to what the open-file limit allows: the limit minus 256, and at
 * least half of the limit.
 *
 * @param openFiles the open-file limit of the process; Infinity if it is not known
 */
export function capacityOf(settings: Settings, openFiles: number): Capacity {
  const allowed = Math.max(1, openFiles - RESERVED_FILES, Math.floor(openFiles / 2))
  if (settings.LIMITS === 'off') {
    const warning =
      allowed < DEFAULT_CONNECTIONS ? fileWarning(allowed, openFiles, 'LIMITS is off, but ') : undefined
    return { limits: UNLIMITED, sockets: Number.POSITIVE_INFINITY, warning }
  }
  const wanted = settings.MAX_CONNECTIONS ?? DEFAULT_CONNECTIONS
  const connections = Math.min(wanted, allowed)
  const spare = Math.min(PLAIN_HTTP_SOCKETS, Math.max(0, openFiles - connections - OWN_FILES))
  const asked = settings.MAX_CONNECTIONS === undefined ? '' : `MAX_CONNECTIONS is ${wanted}, but `
  return {
    limits: limitsOf(settings, connections),
    sockets: connections + spare,
    warning: allowed < wanted ? fileWarning(allowed, openFiles, asked) : undefined,
  }
}

const HOW_TO_RAISE = 'raise it (ulimit -n, LimitNOFILE= in systemd, --ulimit nofile= in Docker)'

function fileWarning(connections: number, openFiles: number, asked: string): string {
  return `${asked}the open-file limit of ${openFiles} allows only ${connections} connections: ${HOW_TO_RAISE}`
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
    httpRequestsPerAddress: perSecond(
      settings.HTTP_REQUESTS_PER_SECOND_PER_ADDRESS,
      10 * settings.HTTP_REQUESTS_PER_SECOND_PER_ADDRESS,
    ),
    apiRequestsPerKey: perSecond(settings.API_REQUESTS_PER_SECOND, settings.API_REQUESTS_PER_SECOND),
    messages: perSecond(settings.MESSAGES_PER_SECOND, settings.MESSAGES_BURST),
    allUsers: perSecond(1, 10),
  }
}
