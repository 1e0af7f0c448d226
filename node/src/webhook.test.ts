import { createHmac } from 'node:crypto'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { verifyWebhook, WebhookVerificationError } from './webhook.ts'

// The example that Standard Webhooks publishes.
const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
const BODY = '{"test": 2432232314}'
const HEADERS = {
  'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
  'webhook-timestamp': '1614265330',
  'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
}
const SENT_AT = 1_614_265_330_000
const OTHER = `whsec_${Buffer.alloc(24, 7).toString('base64')}`

beforeEach(() => vi.useFakeTimers({ now: SENT_AT, toFake: ['Date'] }))
afterEach(() => vi.useRealTimers())

test.each([
  ['the headers of Node.js', BODY, HEADERS, SECRET],
  ['the headers of fetch', BODY, new Headers(HEADERS), SECRET],
  ['names in capital letters', BODY, { ...upper(HEADERS) }, SECRET],
  ['bytes', Buffer.from(BODY), HEADERS, SECRET],
  ['a secret without its prefix', BODY, HEADERS, SECRET.slice(6)],
  ['several secrets', BODY, HEADERS, [OTHER, SECRET]],
  ['several signatures', BODY, signedBy('v1a,AAAA v1,AAAA v1,'), [SECRET]],
])('the published example is believed: %s', (_what, body, headers, secrets) => {
  expect(verifyWebhook(body, headers, secrets)).toEqual({ test: 2432232314 })
})

function upper(headers: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toUpperCase(), value]))
}

function signedBy(before: string): Record<string, string> {
  return { ...HEADERS, 'webhook-signature': before + HEADERS['webhook-signature'].slice(3) }
}

test.each([
  ['a changed body', `${BODY} `, HEADERS, SECRET],
  ['another id', BODY, { ...HEADERS, 'webhook-id': 'msg_other' }, SECRET],
  ['another time', BODY, { ...HEADERS, 'webhook-timestamp': '1614265331' }, SECRET],
  ['another secret', BODY, HEADERS, OTHER],
  ['another version', BODY, signedBy('v2,'), SECRET],
  ['a shorter signature', BODY, { ...HEADERS, 'webhook-signature': 'v1,g0hM' }, SECRET],
  ['an empty signature', BODY, { ...HEADERS, 'webhook-signature': 'v1,' }, SECRET],
  ['no signature', BODY, { ...HEADERS, 'webhook-signature': undefined }, SECRET],
  ['two ids', BODY, { ...HEADERS, 'webhook-id': ['a', 'b'] }, SECRET],
  ['no headers', BODY, new Headers(), SECRET],
  ['a time that is not a number', BODY, { ...HEADERS, 'webhook-timestamp': 'now' }, SECRET],
])('%s is not believed', (_what, body, headers, secrets) => {
  expect(() => verifyWebhook(body, headers, secrets)).toThrow(WebhookVerificationError)
})

test('a webhook is believed for five minutes, or for as long as the options say', () => {
  for (const [differsBy, isBelieved] of [
    [300, true],
    [301, false],
    [-300, true],
    [-301, false],
  ] as const) {
    vi.setSystemTime(SENT_AT + differsBy * 1_000)
    const verify = () => verifyWebhook(BODY, HEADERS, SECRET)
    if (isBelieved) expect(verify()).toBeTruthy()
    else expect(verify).toThrow('differs by 301 s')
  }
  expect(verifyWebhook(BODY, HEADERS, SECRET, { toleranceSeconds: 301 })).toBeTruthy()
  expect(() => verifyWebhook(BODY, HEADERS, SECRET, { toleranceSeconds: Number.NaN })).toThrow('differs')
})

test.each([undefined, '', 'whsec_', 'not base64!', [], [SECRET, '']])('the secret %j is refused', secret => {
  expect(() => verifyWebhook(BODY, HEADERS, secret as string)).toThrow(TypeError)
})

test('a parsed body, and a signed body that is not JSON, are refused', () => {
  expect(() => verifyWebhook(JSON.parse(BODY), HEADERS, SECRET)).toThrow('must be the text or the bytes')
  const key = Buffer.from(SECRET.slice(6), 'base64')
  const signed = `${HEADERS['webhook-id']}.${HEADERS['webhook-timestamp']}.hello`
  const signature = createHmac('sha256', key).update(signed).digest('base64')
  const headers = { ...HEADERS, 'webhook-signature': `v1,${signature}` }
  expect(() => verifyWebhook('hello', headers, SECRET)).toThrow('not JSON')
})
