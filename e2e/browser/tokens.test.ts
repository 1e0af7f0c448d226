import { TestClient } from '@who-is-online/testing/client'
import { runServer } from '@who-is-online/testing/start-server'
import { useServer } from '@who-is-online/testing/use-server'
import { expect } from 'vitest'
import { browserTest, newContext, openLivePage, shown } from './stage.ts'

// The live page in production, where users are identified by tokens.

const API_KEY = 'the-key-of-the-live-page-is-long-enough'
const AUTH_SECRET = 'the-secret-that-signs-tokens-is-long-enough'
const server = useServer({ ENVIRONMENT: 'production', DASHBOARD: 'on', API_KEY, AUTH_SECRET })

browserTest(
  '[D13 T5] the page connects with a token of its own, and offers no connection as a user',
  async () => {
    const context = await newContext({ httpCredentials: { username: 'anybody', password: API_KEY } })
    const page = await openLivePage(server, context)
    const { output } = await runServer(server.dir, { AUTH_SECRET }, ['token', '--user', 'ann'])
    const ann = await TestClient.open(`${server.url}?token=${output.trim()}`)
    await shown(page, ({ users }) => users['ann'] === 'online')
    await ann.leave()
    await shown(page, ({ users }) => users['ann'] === 'offline')
    expect(await page.getByRole('button', { name: /connect/i }).count()).toBe(0)
    expect(await page.getByText('userId=').count()).toBe(0)
    // Identity is checked, so there is nothing to warn of.
    expect(await page.getByRole('note').count()).toBe(0)
  },
)

browserTest('[D13 T5] without the key nobody gets a token', async () => {
  expect((await fetch(`${server.origin}/live-page-token`)).status).toBe(401)
})
