import './language.ts'
import { computed, effect } from '@preact/signals'
import { type ClientOptions, createClient } from '@who-is-online/client'
import { render } from 'preact'
import './style.css'
import { askForAccess } from './access.ts'
import { pageKeys } from './keys.ts'
import { readAddress, writeAddress } from './model/address.ts'
import type { ServerHistory } from './model/history.ts'
import { live } from './model/live.ts'
import { onDemand } from './model/on-demand.ts'
import { selection } from './model/selection.ts'
import { titleOf } from './title.ts'
import { Page } from './view/page.tsx'
import { whyNoWebSocket } from './why-no-websocket.ts'

const TICK_MS = 1_000

/** How long the HTTP API may take to answer, in ms. It waits up to 2 s for other nodes. */
const ANSWER_MS = 10_000

/** Longest wait for a frame, in ms: several frames of a page in front. */
const MAX_FRAME_MS = 100

/** Shortest time between two updates, in ms. More of them could not be read, and would delay scrolling. */
const UPDATE_MS = 100

/** How long the address waits for further changes, in ms: browsers allow few changes at once. */
const ADDRESS_MS = 300

// The addresses are relative to the page, so that a proxy may put all of them under any path.
const addressOf = (path: string): string => new URL(path, document.baseURI.replace(/[?#].*/, '')).href
const url = addressOf('ws')

let updatedAt = Number.NEGATIVE_INFINITY

/** Runs a task with the next animation frame, but not within {@link UPDATE_MS} after the last one. */
function nextUpdate(task: () => void): void {
  const waitMs = updatedAt + UPDATE_MS - performance.now()
  const run = (): void =>
    nextFrame(() => {
      updatedAt = performance.now()
      task()
    })
  if (waitMs <= 0) run()
  else setTimeout(run, waitMs)
}

/**
 * Runs a task with the next animation frame, or after {@link MAX_FRAME_MS}: browsers give a page that is
 * visible but not in front as little as one frame a second.
 */
function nextFrame(task: () => void): void {
  const frame = requestAnimationFrame(() => {
    clearTimeout(timeout)
    task()
  })
  const timeout = setTimeout(() => {
    cancelAnimationFrame(frame)
    task()
  }, MAX_FRAME_MS)
}

async function askHistory(): Promise<ServerHistory> {
  const response = await fetch(addressOf('api/v1/count/history'))
  if (!response.ok) throw new Error(`the server answered ${response.status}`)
  return (await response.json()) as ServerHistory
}

const { identity, isOpen, isDevelopment, isNode } = await askForAccess(
  addressOf('live-page-token'),
  request => fetch(request),
)
const client = createClient({ url, idleAfterMs: false, ...identity } as ClientOptions)
const model = live(client, {
  schedule: nextUpdate,
  now: Date.now,
  askHistory,
  whyNoWebSocket: () => whyNoWebSocket(url, (request, options) => fetch(request, options)),
})
setInterval(model.tick, TICK_MS)

// Another file, because most viewers only look.
const operator = onDemand(async () =>
  (await import('./operator/operator.tsx')).makeOperator({
    send: (path, init) =>
      fetch(addressOf(`api/v1/${path}`), { ...init, signal: AbortSignal.timeout(ANSWER_MS) }),
    isDevelopment,
    now: client.serverTime,
  }),
)

const { filter, order, userId, range } = readAddress(location.search)
const selected = selection(model, userId)
model.show(filter, order)
model.showRange(range)
addEventListener('keydown', pageKeys(selected))

const query = computed(() => {
  const { filter, order } = model.list.value
  return writeAddress({ filter, order, userId: selected.opened.value, range: model.range.value })
})
let addressTimer: ReturnType<typeof setTimeout> | undefined
query.subscribe(query => {
  clearTimeout(addressTimer)
  addressTimer = setTimeout(() => {
    if (query !== location.search) history.replaceState(null, '', query || location.pathname)
  }, ADDRESS_MS)
})

const title = computed(() => titleOf(model.trust.value, model.list.value))
effect(() => {
  document.title = title.value
})

// Another file too, so that a page in production does not even load it.
const demo =
  isOpen && isDevelopment ? (await import('./demo/demo.tsx')).makeDemo(url, model.setMe) : undefined

// Another file too, because most servers are not nodes.
const cluster = isNode
  ? (await import('./cluster/cluster.tsx')).showCluster(addressOf('api/v1/cluster'))
  : undefined

// It says how to connect with a user id alone.
if (!isOpen) document.querySelector('footer')?.remove()

const root = document.getElementById('page')
if (root) {
  root.textContent = ''
  render(
    <Page
      live={model}
      cluster={cluster}
      url={url}
      selected={selected}
      operator={operator}
      isUnprotected={isOpen && !isDevelopment}
      demo={demo}
    />,
    root,
  )
}
