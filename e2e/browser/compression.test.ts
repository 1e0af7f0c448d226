import { TestClient } from '@who-is-online/testing/client'
import { useServer } from '@who-is-online/testing/use-server'
import { expect } from 'vitest'
import { browserTest, newContext } from './stage.ts'

// A real browser decodes what the server compresses.

const USERS = 150
const server = useServer({ COMPRESSION: 'on', LIMITS: 'off' })

browserTest('[B8] a browser with compression gets the same view as a client without', async () => {
  const page = await (await newContext()).newPage()
  await page.goto(`${server.origin}/`)
  // The page applies states and diffs like any v2 client.
  await page.evaluate(`
    window.view = {}
    window.socket = new WebSocket(location.origin.replace('http', 'ws') + '/ws?userId=page', 'who-is-online.v2')
    socket.onmessage = ({ data }) => {
      const message = JSON.parse(data)
      for (const user of message.users ?? []) view[user.userId] = user.status
    }
    socket.onopen = () => {
      socket.send('{"type":"subscribe","all":true}')
    }
    new Promise(resolve => socket.addEventListener('message', resolve, { once: true }))
  `)
  expect(await page.evaluate('socket.extensions')).toContain('permessage-deflate')
  const users = await Promise.all(Array.from({ length: USERS }, (_, n) => TestClient.as(server, `user-${n}`)))
  for (const [n, user] of users.entries()) {
    if (n % 2 === 0) user.send({ type: 'set_status', status: 'offline' })
  }
  const wanted = Object.fromEntries(users.map((_, n) => [`user-${n}`, n % 2 === 0 ? 'offline' : 'online']))
  await expect.poll(() => page.evaluate('view'), { timeout: 10_000 }).toMatchObject(wanted)
  for (const user of users) user.socket.close()
})
