import { TestClient } from '@who-is-online/testing/client'
import { runServer } from '@who-is-online/testing/start-server'
import { useServer } from '@who-is-online/testing/use-server'
import { expect, test } from 'vitest'
import { browserTest, newContext, openLivePage, shown } from './stage.ts'

// The live page in production, which requires the API key.

const API_KEY = 'not-to-be-printed:k3y/k3y+k3y=~k3y'
const PRODUCTION = { ENVIRONMENT: 'production', AUTH: 'open', DASHBOARD: 'on' }
const server = useServer({ ...PRODUCTION, API_KEY })

const secrets = (text: string) => text.includes(API_KEY) || text.includes('not-to-be-printed')

test('[S3] in production, the server does not start with the page but without a key, and says what to set', async () => {
  const { code, output } = await runServer(server.dir, PRODUCTION)
  expect(code).toBe(78)
  expect(output).toMatch(/API_KEY must be set in production if DASHBOARD is "on": .*openssl rand -base64 32/)
})

test('[S6] the server never prints the key', async () => {
  const short = API_KEY.slice(0, 31)
  const wrong = await runServer(server.dir, { ...PRODUCTION, API_KEY: short })
  expect(wrong.code).toBe(78)
  expect(wrong.output).toContain('API_KEY must be at least 32 printable ASCII characters')
  const printed = await runServer(server.dir, { ...PRODUCTION, API_KEY }, ['--print-config'])
  expect(printed.output).toMatch(/^API_KEY=\(set, hidden\) +# environment$/m)
  for (const Authorization of [`Bearer ${API_KEY}`, `Bearer ${API_KEY}!`]) {
    await fetch(server.origin, { headers: { Authorization } })
  }
  expect(server.output()).toContain('the live page asks for API_KEY')
  expect([wrong.output, printed.output, server.output()].filter(secrets)).toEqual([])
})

browserTest.each([
  ['no key', {}],
  ['a wrong key', { httpCredentials: { username: 'ann', password: `${API_KEY}!` } }],
])('[T5] a browser with %s is asked for the key and shows nothing', async (_what, options) => {
  const page = await (await newContext(options)).newPage()
  const answered = page.waitForResponse(`${server.origin}/`)
  // Without a user to ask, a browser may show the response or fail.
  await page.goto(`${server.origin}/`).catch(() => {})
  const answer = await answered
  expect(answer.status()).toBe(401)
  expect(answer.headers()['www-authenticate']).toBe('Basic realm="who-is-online", charset="UTF-8"')
  expect(await page.locator('main').count()).toBe(0)
})

browserTest('[T5] with the key as password the page works, including its connections', async () => {
  const context = await newContext({ httpCredentials: { username: 'anybody', password: API_KEY } })
  const page = await openLivePage(server, context)
  const ann = await TestClient.as(server, 'ann')
  await shown(page, ({ users }) => users['ann'] === 'online')
  await ann.leave()
  await shown(page, ({ users }) => users['ann'] === 'offline')
})

browserTest(
  'the page in production has nothing to connect as a user, and says that identity is open',
  async () => {
    const context = await newContext({ httpCredentials: { username: 'anybody', password: API_KEY } })
    const loaded: string[] = []
    context.on('response', response => loaded.push(response.url()))
    const page = await openLivePage(server, context)
    expect(await page.getByRole('button', { name: /connect/i }).count()).toBe(0)
    expect(await page.content()).not.toContain('WebSocket(')
    expect(loaded.filter(url => url.includes('demo'))).toEqual([])
    expect(await page.getByRole('note').textContent()).toMatch(
      /^Identity is open\. .* can connect as any user/,
    )
  },
)
