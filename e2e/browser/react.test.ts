import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { TestClient } from '@who-is-online/testing/client'
import { useServer } from '@who-is-online/testing/use-server'
import type { Page } from 'playwright-core'
import { build, defaultClientConditions } from 'vite'
import { afterAll, beforeAll, expect } from 'vitest'
import { browserTest, newContext } from './stage.ts'

// A React application in StrictMode, in its development build, where each effect runs twice.

const LOGINS = 20

/** The package of the client, which has React. */
const CLIENT = join(import.meta.dirname, '../../client')

const server = useServer({ OFFLINE_GRACE_MS: 60_000 })
let script = ''
let application: Server
beforeAll(async () => {
  const result = await build({
    configFile: false,
    logLevel: 'silent',
    resolve: {
      conditions: ['@who-is-online/source', ...defaultClientConditions],
      alias: Object.fromEntries(
        ['react', 'react-dom'].map(name => [name, join(CLIENT, 'node_modules', name)]),
      ),
    },
    define: { 'process.env.NODE_ENV': '"development"' },
    build: {
      write: false,
      minify: false,
      lib: { entry: join(import.meta.dirname, 'react-page.js'), formats: ['es'], fileName: 'page' },
    },
  })
  const [output] = [result].flat()
  if (!output || !('output' in output)) throw new Error('nothing was built')
  script = output.output[0].code
  application = createServer((request, response) => {
    const isScript = request.url === '/page.js'
    response.setHeader('Content-Type', isScript ? 'text/javascript' : 'text/html')
    response.end(isScript ? script : '<!doctype html><body><script type="module" src="/page.js"></script>')
  })
  await once(application.listen(0, '127.0.0.1'), 'listening')
})
afterAll(() => void application.close())

/** Keeps all sockets of the page in `window.sockets`. */
const KEEP_SOCKETS = `
  window.sockets = []
  window.WebSocket = class extends WebSocket {
    constructor(...args) {
      super(...args)
      sockets.push(this)
    }
  }
`

/** How many sockets of the page are connecting or open. */
const openSockets = (page: Page): Promise<number> =>
  page.evaluate<number>('sockets.filter(socket => socket.readyState <= WebSocket.OPEN).length')

/** Waits until the page shows this state of the connection. */
const connectionIs = (page: Page, state: string): Promise<unknown> =>
  page.waitForFunction(`document.querySelector('#connection')?.textContent === '${state}'`)

browserTest(
  `[J22] in StrictMode, ${LOGINS} logins and logouts leave no user online and no socket open`,
  { timeout: 60_000 },
  async () => {
    const witness = await TestClient.v2(server, 'witness')
    const statuses = async (userIds: string[]): Promise<string[]> => {
      const { users } = await witness.ask({ type: 'get_users', userIds }, 'users')
      return (users as { status: string }[]).map(({ status }) => status)
    }
    const context = await newContext()
    await context.addInitScript(KEEP_SOCKETS)
    const page = await context.newPage()
    const { port } = application.address() as AddressInfo
    await page.goto(`http://127.0.0.1:${port}/?${new URLSearchParams({ url: server.url })}`)
    await connectionIs(page, 'idle')
    // One user three times: the server delays more than ten visible changes of a user.
    const ids = Array.from({ length: LOGINS }, (_, n) => (n % 7 === 0 ? 7 : `user-${n}`))
    for (const id of ids) {
      await page.evaluate(`logIn(${JSON.stringify(id)})`)
      await connectionIs(page, 'open')
      expect([await openSockets(page), await statuses([`${id}`])]).toEqual([1, ['online']])
      await page.waitForFunction(
        `document.querySelector('#user-7').textContent === '${id === 7 ? 'online' : 'offline'}'`,
      )
      await page.evaluate('logIn(undefined)')
      await connectionIs(page, 'idle')
      // The server is told of the end at once: it does not wait for the grace period, which is long here.
      await expect.poll(() => statuses([`${id}`])).toEqual(['offline'])
      expect(await openSockets(page)).toBe(0)
    }
    // Another user without a logout in between.
    for (const id of ['one', 'two', 'three']) {
      await page.evaluate(`logIn(${JSON.stringify(id)})`)
      // A client that is closed while it connects can't say that it leaves.
      await connectionIs(page, 'open')
      expect(await statuses([id])).toEqual(['online'])
    }
    await expect.poll(() => statuses(['one', 'two', 'three'])).toEqual(['offline', 'offline', 'online'])
    expect(await openSockets(page)).toBe(1)
    await witness.leave()
  },
)
