import { readdirSync, readFileSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { type RequestHandler, type Response, Router } from 'express'
import type { ClusterView } from '../cluster-view.ts'
import type { CountHistoryView } from '../count-history.ts'
import { requireKey } from './api-key.ts'
import { readOnly } from './methods.ts'

/** A file of the live page, read at the start of the server. */
interface PageFile {
  readonly type: string
  readonly plain: Buffer
  readonly gzip: Buffer
}

/** The built live page: its document, and its assets by their names in `/assets/`. */
export interface LivePage {
  readonly index: PageFile
  readonly assets: ReadonlyMap<string, PageFile>
}

/** Makes the tokens with which live pages connect. */
export interface PageTokens {
  issue(): string
}

/** Where the page is: beside the modules of the built package. */
const PAGE = import.meta.url.endsWith('.ts') ? '../../dist/page/' : './page/'

/** The output directory of the page build. */
export const BUILT_PAGE = fileURLToPath(new URL(PAGE, import.meta.url))

const TYPES: ReadonlyMap<string, string> = new Map([
  ['html', 'text/html; charset=utf-8'],
  ['js', 'text/javascript; charset=utf-8'],
  ['css', 'text/css; charset=utf-8'],
])

/** What the page needs besides its files. */
export interface PageSources {
  /** Makes the tokens with which live pages connect; `undefined` if they need none. */
  readonly tokens: PageTokens | undefined
  /** The key that the page requires; `undefined` if it requires none. */
  readonly apiKey: string | undefined
  /** Whether the page offers to connect as any user, which is only for development. */
  readonly isDevelopment: boolean
  /** Whether a request has a key of the API, which then answers it. */
  readonly isForApi: (request: IncomingMessage) => boolean
  /** Returns how many users were online in the last 24 hours. */
  readonly countHistory: () => CountHistoryView
  /** Returns the cluster as this node sees it; `undefined` if this server is not a node of a cluster. */
  readonly cluster?: (() => ClusterView) | undefined
}

/** Where the page gets a token. Pages of other hosts can't read it: there are no CORS headers. */
const TOKEN_PATH = '/live-page-token'

/** Where the page gets the numbers of its chart. */
const HISTORY_PATH = '/api/v1/count/history'

/** Where the page of a node gets what it shows of the cluster. */
const CLUSTER_PATH = '/api/v1/cluster'

/** The name of an asset contains a hash of its content, so it can be cached without a limit. */
const CACHE_FOREVER = 'max-age=31536000, immutable'

/**
 * Reads the page into memory. It is small; a build during operation must not mix two versions; and paths of
 * clients are looked up in a map instead of on the disk. `undefined` if the page does not exist or can't be
 * read.
 */
export function readLivePage(dir: string): LivePage | undefined {
  try {
    const assets = readdirSync(`${dir}/assets`).map(name => [name, read(`${dir}/assets/${name}`)] as const)
    return { index: read(`${dir}/index.html`), assets: new Map(assets) }
  } catch {
    return undefined
  }
}

function read(path: string): PageFile {
  const plain = readFileSync(path)
  const type = TYPES.get(path.slice(path.lastIndexOf('.') + 1)) ?? 'application/octet-stream'
  return { type, plain, gzip: gzipSync(plain) }
}

/**
 * Serves the page, the tokens with which it connects, the numbers of its chart, and what it shows of the cluster. With
 * an `apiKey`, requests must have it.
 */
export function servePage({ index, assets }: LivePage, sources: PageSources): RequestHandler {
  const { tokens, apiKey, isDevelopment, countHistory, cluster, isForApi } = sources
  const router = Router({ strict: true, caseSensitive: true })
  // The API has the same numbers, for its own keys.
  router.all(HISTORY_PATH, (request, _response, next) => {
    next(isForApi(request) ? 'router' : undefined)
  })
  if (apiKey !== undefined) {
    router.get(['/', '/assets/:name', TOKEN_PATH, HISTORY_PATH, CLUSTER_PATH], requireKey(apiKey))
  }
  // A shared cache must not return a file that required the key to other users.
  const cacheScope = apiKey === undefined ? 'public' : 'private'
  readOnly(router, '/', (_request, response) => {
    // An outdated document would refer to assets that no longer exist.
    send(response, index, 'no-store')
  })
  readOnly(router, TOKEN_PATH, (_request, response) => {
    // `null` instead of a 404, which a browser would report as an error of the page.
    const token = tokens?.issue() ?? null
    response.set('Cache-Control', 'no-store').json({ token, isDevelopment, isNode: cluster !== undefined })
  })
  readOnly(router, HISTORY_PATH, (_request, response) => {
    response.set('Cache-Control', 'no-store').json(countHistory())
  })
  if (cluster) {
    readOnly(router, CLUSTER_PATH, (_request, response) => {
      response.set('Cache-Control', 'no-store').json(cluster())
    })
  }
  router.all('/assets/:name', (request, _response, next) => {
    next(assets.has(request.params.name) ? undefined : 'router')
  })
  readOnly(router, '/assets/:name', (request, response) => {
    const asset = assets.get(String(request.params['name']))
    if (asset) send(response, asset, `${cacheScope}, ${CACHE_FOREVER}`)
  })
  return router
}

function send(response: Response, { type, plain, gzip }: PageFile, cacheControl: string): void {
  const isGzip = response.req.acceptsEncodings('gzip', 'identity') === 'gzip'
  if (isGzip) response.set('Content-Encoding', 'gzip')
  response.set({ 'Content-Type': type, 'Cache-Control': cacheControl })
  response.vary('Accept-Encoding').send(isGzip ? gzip : plain)
}
