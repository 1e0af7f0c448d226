import { useServer } from '@who-is-online/testing/use-server'
import { beforeAll, expect } from 'vitest'
import { browserTest } from '../browser/stage.ts'
import { install, runScript, serve } from './example.ts'
import { logIn, logOut, openPage } from './team-page.ts'

const SECRET = 'the-secret-that-signs-tokens-is-long-enough'

/** The client renews such a token after eight seconds. */
const SHORT = { PRESENCE_SECRET: SECRET, TOKEN_LIFETIME: '12s' }

// Nobody waits for this grace period: who is offline at once has said goodbye.
const server = useServer({ AUTH_SECRET: SECRET, OFFLINE_GRACE_MS: 600_000 })

beforeAll(async () => {
  await install('vite-login')
  await runScript('vite-login', 'build', { VITE_PRESENCE_URL: server.url })
}, 240_000)

browserTest.each([
  { script: 'preview --port 0', what: 'the production build' },
  { script: 'start --port 0', what: 'the development server, in StrictMode' },
])('login and logout show at once, and leave no ghost: $what', { timeout: 120_000 }, async ({ script }) => {
  const origin = await serve('vite-login', script, {
    PRESENCE_SECRET: SECRET,
    VITE_PRESENCE_URL: server.url,
  })
  const [ann, bob] = [await openPage(origin), await openPage(origin)]
  await logIn(ann, 'Ann')
  for (let n = 0; n < 3; n++) {
    await logIn(bob, 'Bob')
    await ann.getByTitle('Bob: online').waitFor()
    await logOut(bob)
    await bob.getByTitle('bob: unknown').waitFor()
    await ann.getByTitle('Bob: offline').waitFor()
  }
  // Another user in the same page.
  await logIn(bob, 'Cem')
  await ann.getByTitle('Cem: online').waitFor()
  expect(await ann.getByTitle('Bob: offline').count()).toBe(1)
  // The session is in a cookie.
  await bob.reload()
  await bob.getByTitle('Cem: online').waitFor()
  expect(await ann.getByTitle('Cem: online').count()).toBe(1)
  await logOut(bob)
  await logOut(ann)
})

browserTest('a token is renewed on the open connection', { timeout: 120_000 }, async () => {
  const origin = await serve('vite-login', 'preview --port 0', SHORT)
  const page = await openPage(origin)
  const refreshes: unknown[] = []
  const acknowledged: unknown[] = []
  let sockets = 0
  page.on('websocket', socket => {
    sockets++
    socket.on('framesent', ({ payload }) => {
      const { type, id } = JSON.parse(String(payload))
      if (type === 'refresh') refreshes.push(id)
    })
    socket.on('framereceived', ({ payload }) => {
      const { type, id } = JSON.parse(String(payload))
      if (type === 'ack') acknowledged.push(id)
    })
  })
  await logIn(page, 'Ann')
  await expect.poll(() => refreshes.some(id => acknowledged.includes(id)), { timeout: 60_000 }).toBe(true)
  expect(await page.getByLabel('Connection').textContent()).toBe('open')
  expect(sockets).toBe(1)
})
