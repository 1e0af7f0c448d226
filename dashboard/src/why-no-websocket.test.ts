import { expect, test } from 'vitest'
import { whyNoWebSocket } from './why-no-websocket.ts'

const URL = 'https://app.test/presence/ws'

test.each([
  [426, /^The server answers HTTP, but the WebSocket to \/presence\/ws was refused\. A proxy must forward/],
  [502, /^The proxy cannot reach the server: it answers 502\.$/],
  [404, /answers 404 for \/presence\/ws\. It must forward \/presence\/ws to the server\.$/],
  [200, /answers 200 for \/presence\/ws/],
])('%i says why', async (status, sentence) => {
  expect(await whyNoWebSocket(URL, async () => new Response('', { status }))).toMatch(sentence)
})

test('without an answer over HTTP the reason is unknown', async () => {
  const failing = () => Promise.reject(new TypeError('fetch failed'))
  expect(await whyNoWebSocket(URL, failing)).toBeUndefined()
})
