import { readdirSync } from 'node:fs'
import { sleep } from '@who-is-online/testing/client'
import type { Inspector } from '@who-is-online/testing/inspector'
import type { RunningServer } from '@who-is-online/testing/start-server'

/** What a server holds at one time. */
export interface Footprint {
  /** Open WebSocket connections, by the metrics. */
  readonly connections: number
  /** Users that are online, by the metrics. */
  readonly online: number
  /** Open descriptors of the process. */
  readonly descriptors: number
  /** TCP sockets of the process. */
  readonly sockets: number
  /** Timers of the process. */
  readonly timers: number
  /** Entries of all Maps and Sets. */
  readonly entries: number
}

/** How many more entries are no leak: maps of a fixed size, such as the kinds of log lines, fill up over time. */
const SLACK_ENTRIES = 10

/** The resources of which a footprint has more than another, as `name: before → now`. */
export function more(before: Footprint, now: Footprint): string[] {
  return (Object.keys(before) as (keyof Footprint)[])
    .filter(name => now[name] > before[name] + (name === 'entries' ? SLACK_ENTRIES : 0))
    .map(name => `${name}: ${before[name]} → ${now[name]}`)
}

/** A little more than the server keeps a text of the metrics, in ms. */
const METRICS_MS = 120

/** What a server holds now. */
export async function footprintOf(server: RunningServer, inspector: Inspector): Promise<Footprint> {
  // The server sends the same text of the metrics for 100 ms.
  await sleep(METRICS_MS)
  // Without keep-alive, so that this request leaves no socket.
  const response = await fetch(`${server.origin}/metrics`, { headers: { connection: 'close' } })
  const text = await response.text()
  const figure = (name: string) => Number(new RegExp(`^${name} (.*)$`, 'm').exec(text)?.[1])
  const resources = (await inspector.evaluate('process.getActiveResourcesInfo()')) as string[]
  const count = (kind: string) => resources.filter(resource => resource === kind).length
  return {
    connections: figure('wio_connections'),
    online: figure('wio_users_online'),
    descriptors: readdirSync(`/proc/${server.pid}/fd`).length,
    sockets: count('TCPSocketWrap'),
    timers: count('Timeout'),
    entries: await inspector.entries(),
  }
}

/** The lower value of each resource: some, such as the timer of a save, come and go in a server at rest. */
function leastOf(one: Footprint, other: Footprint): Footprint {
  return {
    connections: Math.min(one.connections, other.connections),
    online: Math.min(one.online, other.online),
    descriptors: Math.min(one.descriptors, other.descriptors),
    sockets: Math.min(one.sockets, other.sockets),
    timers: Math.min(one.timers, other.timers),
    entries: Math.min(one.entries, other.entries),
  }
}

/** How long the server may take to release everything, in ms: the longest deadline is ten seconds. */
const RELEASE_MS = 15_000

/** The footprint of a server at rest: the least of some measurements. */
export async function atRest(server: RunningServer, inspector: Inspector): Promise<Footprint> {
  let least = await footprintOf(server, inspector)
  for (let left = 4; left > 0; left--) {
    least = leastOf(least, await footprintOf(server, inspector))
  }
  return least
}

/** Waits until the server holds no more than before. Returns what it still holds after `patienceMs`. */
export async function kept(
  server: RunningServer,
  inspector: Inspector,
  before: Footprint,
  patienceMs = RELEASE_MS,
): Promise<string[]> {
  const until = performance.now() + patienceMs
  let least = await footprintOf(server, inspector)
  while (more(before, least).length > 0 && performance.now() < until) {
    least = leastOf(least, await footprintOf(server, inspector))
  }
  return more(before, least)
}
