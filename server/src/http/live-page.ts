import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { type RequestHandler, type Response, Router } from 'express'
import { needsKey } from './api-key.ts'
import { readOnly } from './methods.ts'

/** A file of the live page, as it was when the server started. */
interface PageFile {
  readonly type: string
  readonly plain: Buffer
  readonly gzip: Buffer
}

/** The built live page: its document, and the files that it loads, by the name they have in `/assets/`. */
export interface LivePage {
  readonly index: PageFile
  readonly assets: ReadonlyMap<string, PageFile>
}

/** Where the build puts the page, seen from here: the same whether this runs from the sources or from `dist`. */
export const BUILT_PAGE = fileURLToPath(new URL('../../dist/page/', import.meta.url))

const TYPES: ReadonlyMap<string, string> = new Map([
  ['html', 'text/html; charset=utf-8'],
  ['js', 'text/javascript; charset=utf-8'],
  ['css', 'text/css; charset=utf-8'],
])

/** The name of an asset has the hash of what is in it: under this name it is the same for ever. */
const FOR_EVER = 'max-age=31536000, immutable'

/**
 * Reads the page into memory: it is small, a build while the server runs must not mix two pages, and a path that a client
 * made up is looked up in a map and never on the disk. `undefined` where there is none that can be read.
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

/** Serves the page, to whoever has the key where there is one. */
export function servePage({ index, assets }: LivePage, apiKey: string | undefined): RequestHandler {
  const router = Router({ strict: true, caseSensitive: true })
  if (apiKey !== undefined) router.get(['/', '/assets/:name'], needsKey(apiKey))
  // What one reader was given the key for, a cache between must not give to the next.
  const assetsAreFor = apiKey === undefined ? 'public' : 'private'
  readOnly(router, '/', (_request, response) => {
    // A document of yesterday would ask for assets that are no more.
    send(response, index, 'no-store')
  })
  router.all('/assets/:name', (request, _response, next) => {
    next(assets.has(request.params.name) ? undefined : 'router')
  })
  readOnly(router, '/assets/:name', (request, response) => {
    const asset = assets.get(String(request.params['name']))
    if (asset) send(response, asset, `${assetsAreFor}, ${FOR_EVER}`)
  })
  return router
}

function send(response: Response, { type, plain, gzip }: PageFile, cacheControl: string): void {
  const isGzip = response.req.acceptsEncodings('gzip', 'identity') === 'gzip'
  if (isGzip) response.set('Content-Encoding', 'gzip')
  response.set({ 'Content-Type': type, 'Cache-Control': cacheControl })
  response.vary('Accept-Encoding').send(isGzip ? gzip : plain)
}
