import { createServer, type Server } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { addressesOf, isReachable, linksTo, whyNotListening } from './listening.ts'
import { readSettings } from './settings.ts'

const opened: Server[] = []
afterEach(() => {
  for (const server of opened.splice(0)) server.close()
})

/** Listens. Resolves with the error if that fails. */
function listen(port: number, host?: string): Promise<Error | Server> {
  return new Promise(resolve => {
    const server = createServer()
    opened.push(server)
    server.once('error', resolve)
    server.listen({ port, host }, () => resolve(server))
  })
}

const OWN = ['127.0.0.1', '::1']
const failed = (code: string, syscall = 'listen') =>
  Object.assign(new Error(`${syscall} ${code}`), { code, syscall })

test('[Q1] a port that is in use', async () => {
  const first = await listen(0, '127.0.0.1')
  const { port } = (first as Server).address() as { port: number }
  const error = (await listen(port, '127.0.0.1')) as Error
  expect(whyNotListening(error, { host: '127.0.0.1', port }, OWN)).toBe(
    `port ${port} is in use: another process listens at PORT=${port} on HOST=127.0.0.1; stop it, or set PORT to another port (0 selects any free one)`,
  )
  expect(whyNotListening(error, { host: undefined, port: 3050 }, OWN)).toContain(
    'PORT=3050 on all interfaces (HOST is unset)',
  )
})

test('[Q1] an address of another machine, and an unknown host name', async () => {
  // RFC 5737 reserves this address for documentation.
  const foreign = (await listen(0, '192.0.2.7')) as Error
  expect(whyNotListening(foreign, { host: '192.0.2.7', port: 3050 }, OWN)).toBe(
    'HOST=192.0.2.7 is not an address of this machine: set HOST to one of 127.0.0.1, ::1, or to 0.0.0.0 for all of them',
  )
  for (const code of ['ENOTFOUND', 'EAI_AGAIN']) {
    const address = { host: 'nowhere.invalid', port: 3050 }
    expect(whyNotListening(failed(code, 'getaddrinfo'), address, OWN)).toBe(
      `HOST=nowhere.invalid can't be resolved (${code}): set HOST to an IP address of this machine, to localhost, or to 0.0.0.0 for all interfaces`,
    )
  }
})

test('[Q1] the addresses that are offered for HOST are accepted: a link-local one has its zone', () => {
  const rest = { family: 'IPv6' as const, netmask: '', mac: '', internal: false, cidr: null }
  const own = [
    { address: 'fe80::1', scopeid: 2, ...rest },
    { address: 'fd00::2', scopeid: 0, ...rest },
  ]
  const offered = addressesOf({ eth0: own, lo: undefined })
  expect(offered).toEqual(['fe80::1%eth0', 'fd00::2'])
  for (const HOST of offered)
    expect(readSettings({ ENVIRONMENT: 'development', HOST })).toMatchObject({ HOST })
})

test('[Q1] a port that needs a privilege', () => {
  expect(whyNotListening(failed('EACCES'), { host: undefined, port: 80 }, OWN)).toMatch(
    /^not allowed to listen at PORT=80 on all interfaces .*: ports below 1024 need a privilege; set PORT/,
  )
  expect(whyNotListening(failed('EACCES'), { host: '::', port: 50_000 }, OWN)).toMatch(
    /^not allowed to listen at PORT=50000 on HOST=::: the system reserves/,
  )
})

test('[Q1 T11] a port for the figures that can not be used is named as METRICS_PORT', () => {
  const place = { host: '127.0.0.1', port: 9_464, setting: 'METRICS_PORT' } as const
  expect(whyNotListening(failed('EADDRINUSE'), place, OWN)).toBe(
    'port 9464 is in use: another process listens at METRICS_PORT=9464 on HOST=127.0.0.1; stop it, or set METRICS_PORT to another port',
  )
  expect(whyNotListening(failed('EACCES'), { ...place, port: 80 }, OWN)).toMatch(
    /need a privilege; set METRICS_PORT to a higher one, or grant/,
  )
})

test('[Q1] other errors of listening name HOST and PORT; errors of other system calls are not handled', () => {
  expect(whyNotListening(failed('EWHAT'), { host: '::1', port: 1_234 }, OWN)).toBe(
    "can't listen at PORT=1234 on HOST=::1: listen EWHAT",
  )
  const address = { host: '::1', port: 1_234 }
  expect(whyNotListening(failed('EACCES', 'open'), address, OWN)).toBeUndefined()
  expect(whyNotListening(new Error('a bug'), address, OWN)).toBeUndefined()
})

test.each([
  [undefined, 'localhost'],
  ['0.0.0.0', 'localhost'],
  ['::', 'localhost'],
  ['localhost', 'localhost'],
  ['127.0.0.1', '127.0.0.1'],
  ['192.0.2.7', '192.0.2.7'],
  ['::1', '[::1]'],
  ['2001:db8::7', '[2001:db8::7]'],
  ['fe80::1%eth0', '[fe80::1%25eth0]'],
  ['presence.internal', 'presence.internal'],
])('[Q8] HOST=%s is reached as %s', (host, name) => {
  expect(linksTo({ host, port: 4_321 }, { hasPage: true, isOpen: true })).toEqual({
    open: `http://${name}:4321/`,
    connect: `ws://${name}:4321/ws?userId=YOUR_USER_ID`,
  })
})

test('[Q8] without a page there is no link to it, and where tokens are required no user id in the other one', () => {
  expect(linksTo({ host: '127.0.0.1', port: 1 }, { hasPage: false, isOpen: false })).toEqual({
    connect: 'ws://127.0.0.1:1/ws',
  })
})

test.each([
  [undefined, true],
  ['0.0.0.0', true],
  ['::', true],
  ['192.168.1.7', true],
  ['presence.internal', true],
  ['localhost.example.com', true],
  ['127.0.0.1', false],
  ['127.8.9.10', false],
  ['::1', false],
  ['::ffff:127.0.0.1', false],
  ['localhost', false],
  ['App.localhost', false],
])('[Q8] whether other machines can reach HOST=%s: %s', (host, expected) => {
  expect(isReachable(host)).toBe(expected)
})
