import { createHmac } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { secretIn, signedHeaders } from './signature.ts'

// The vector of the libraries of Standard Webhooks (standard-webhooks/standard-webhooks, libraries/*/test).
const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
const ID = 'msg_p5jXN8AQM9LWM0D4loKWxJek'
const AT = 1_614_265_330_999
const BODY = Buffer.from('{"test": 2432232314}')
const SIGNATURE = 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE='

const secret = (text: string) => secretIn(text) as Buffer

test('[M4] a message is signed as the published vector of Standard Webhooks', () => {
  expect(signedHeaders([secret(SECRET)], ID, AT, BODY)).toEqual({
    'webhook-id': ID,
    'webhook-timestamp': '1614265330',
    'webhook-signature': SIGNATURE,
  })
})

test('[M4] with two secrets there are two signatures', () => {
  const other = Buffer.alloc(32, 7)
  const text = `whsec_${other.toString('base64')}`
  const own = createHmac('sha256', other).update(`${ID}.1614265330.${BODY}`).digest('base64')
  expect(signedHeaders([secret(text), secret(SECRET)], ID, AT, BODY)['webhook-signature']).toBe(
    `v1,${own} ${SIGNATURE}`,
  )
})

test('[M4] a secret is whsec_ and 24 to 64 bytes in base64', () => {
  const of = (bytes: number) => `whsec_${Buffer.alloc(bytes, 1).toString('base64')}`
  expect([24, 25, 26, 64].map(bytes => secretIn(of(bytes))?.length)).toEqual([24, 25, 26, 64])
  expect(secretIn(of(32).replace(/=+$/, ''))?.length).toBe(32)
  for (const wrong of [of(23), of(65), of(32).slice(6), `${of(24)}A`, `${of(24)}-`, 'whsec_', ''])
    expect(secretIn(wrong), wrong).toBeUndefined()
})

test('[M4] the function of docs/webhooks.md verifies signed requests, and refuses others', async () => {
  const [, source = ''] =
    /```js\n([^`]*`[^`]*`[^`]*`[^`]*`[^`]*)```/.exec(readFileSync('docs/webhooks.md', 'utf8')) ?? []
  const { verify } = await import(`data:text/javascript,${encodeURIComponent(source)}`)
  const now = Date.now()
  const other = secret(`whsec_${Buffer.alloc(32, 7).toString('base64')}`)
  const verified = (keys: Buffer[], at = now, body = BODY, changes = {}): boolean =>
    verify({ ...signedHeaders(keys, ID, at, BODY), ...changes }, body, SECRET)
  expect([verified([secret(SECRET)]), verified([other, secret(SECRET)])]).toEqual([true, true])
  expect([
    verified([other]),
    verified([secret(SECRET)], now - 600_000),
    verified([secret(SECRET)], now, Buffer.from('{"test": 1}')),
    verified([secret(SECRET)], now, BODY, { 'webhook-id': 'msg_other' }),
    verified([secret(SECRET)], now, BODY, { 'webhook-timestamp': 'never' }),
    verified([secret(SECRET)], now, BODY, { 'webhook-signature': 'v1,' }),
  ]).toEqual(Array(6).fill(false))
})
