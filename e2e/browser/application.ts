import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import type { BrowserContext, Page } from 'playwright-core'
import { build, defaultClientConditions } from 'vite'
import { afterAll, beforeAll } from 'vitest'

/** Options of `createClient`, as far as they are JSON. */
interface PageOptions {
  readonly url: string
  readonly userId: string
  readonly idleAfterMs?: number | false
}

/** An application that runs during the tests of one file. */
export interface Application {
  /** Opens its page, and waits until the client in the variable `client` has a connection. */
  readonly open: (context: BrowserContext, options: PageOptions) => Promise<Page>
  /** The URL of that page. */
  readonly urlOf: (options: PageOptions) => string
}

const PAGE = `<!doctype html><title>An application</title><script type="module">
  import { createClient } from '/sdk.js'
  window.client = createClient(JSON.parse(new URL(location.href).searchParams.get('options')))
</script>`

/** Serves an application with the SDK from its own host, different from that of the presence server. */
export function useApplication(): Application {
  let http: Server
  beforeAll(async () => {
    http = await serve(await bundle())
  })
  afterAll(() => void http.close())
  function urlOf(options: PageOptions): string {
    const { port } = http.address() as AddressInfo
    return `http://127.0.0.1:${port}/?${new URLSearchParams({ options: JSON.stringify(options) })}`
  }
  return {
    urlOf,
    async open(context, options) {
      const page = await context.newPage()
      await page.goto(urlOf(options))
      await isOpen(page)
      return page
    },
  }
}

/** Waits until the client of a page has a connection. */
export async function isOpen(page: Page): Promise<void> {
  await page.waitForFunction('window.client?.connectionStatus === "open"')
}

/** Bundles the SDK into one module for a page. */
async function bundle(): Promise<string> {
  const result = await build({
    configFile: false,
    logLevel: 'silent',
    resolve: { conditions: ['@who-is-online/source', ...defaultClientConditions] },
    build: {
      write: false,
      lib: {
        entry: fileURLToPath(import.meta.resolve('@who-is-online/client')),
        formats: ['es'],
        fileName: 'sdk',
      },
    },
  })
  const [output] = [result].flat()
  if (!output || !('output' in output)) throw new Error('nothing was built')
  return output.output[0].code
}

async function serve(sdk: string): Promise<Server> {
  const http = createServer((request, response) => {
    const isSdk = request.url === '/sdk.js'
    response.setHeader('Content-Type', isSdk ? 'text/javascript' : 'text/html')
    response.end(isSdk ? sdk : PAGE)
  })
  await once(http.listen(0, '127.0.0.1'), 'listening')
  return http
}
