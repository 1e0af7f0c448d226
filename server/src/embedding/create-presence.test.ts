import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { createServer, IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { useTemporaryDir } from '@who-is-online/testing/use-temporary-dir'
import { describe, expect, onTestFinished, test } from 'vitest'
import { WebSocket } from 'ws'
import { StoreLocked } from '../storage/store.ts'
import { createPresence, type EmbeddedPresence, type PresenceOptions } from './create-presence.ts'

// A presence server in an application with an HTTP server of its own, in this process.

const dir = useTemporaryDir()

interface Application {
  readonly presence: EmbeddedPresence
  readonly origin: string
  /** Resolves with the first message of a connection, or with the text of the error. */
  connect(
    path: string,
    headers?: Record<string, string>,
    subprotocol?: string,
  ): Promise<{ socket: WebSocket; first: string }>
}

async function start(options: Partial<PresenceOptions> = {}): Promise<Application> {
  const presence = await createPresence({
    dataDir: join(dir.path, 'data'),
    log: false,
    ...(!options.authenticate && { auth: 'open' }),
    ...options,
  })
  const server: Server = createServer((request, response) => presence.handler(request, response))
  server.on('upgrade', (request, socket, head) => {
    if (!presence.handleUpgrade(request, socket, head)) socket.destroy()
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(async () => {
    await presence.close()
    server.close()
    server.closeAllConnections()
  })
  const { port } = server.address() as AddressInfo
  return {
    presence,
    origin: `http://127.0.0.1:${port}`,
    connect: (path, headers = {}, subprotocol) =>
      new Promise(resolve => {
        const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, subprotocol ?? [], { headers })
        socket.once('message', data => resolve({ socket, first: String(data) }))
        socket.once('error', ({ message }) => resolve({ socket, first: message }))
      }),
  }
}

function upgradeRequest(url: string, upgrade = 'websocket'): IncomingMessage {
  const request = new IncomingMessage(new PassThrough() as never)
  request.url = url
  request.headers = { upgrade, connection: 'Upgrade', host: 'localhost' }
  return request
}

describe('handleUpgrade', () => {
  test('leaves requests for other paths, and for other protocols, untouched', async () => {
    const { presence } = await start()
    const others: [string, string?][] = [
      ['/'],
      ['/ws/'],
      ['/wsx?userId=ann'],
      ['/_next/webpack-hmr'],
      ['/ws', 'h2c'],
    ]
    for (const [url, upgrade] of others) {
      const socket = new PassThrough()
      const request = upgradeRequest(url, upgrade)
      const before = { ...request.headers }
      expect(presence.handleUpgrade(request, socket, Buffer.alloc(0)), url).toBe(false)
      expect(request.headers).toEqual(before)
      expect(socket.eventNames()).toEqual(new PassThrough().eventNames())
      expect([socket.destroyed, socket.readableFlowing, socket.readableLength]).toEqual([false, null, 0])
    }
  })

  test('handles its path, also another one', async () => {
    const { connect } = await start({ path: '/presence/socket' })
    expect((await connect('/presence/socket?userId=ann')).first).toContain('"ann"')
    expect((await connect('/ws?userId=ann')).first).toMatch(/socket hang up|ECONNRESET/)
  })
})

test('authenticate says who connects', async () => {
  const { connect, presence } = await start({
    authenticate: async ({ headers }) => (headers.cookie === 'session=1' ? { userId: 1, name: 'Ann' } : null),
  })
  expect((await connect('/ws')).first).toContain('401')
  expect((await connect('/ws', { cookie: 'session=1' })).first).toContain('"1"')
  expect(presence.getUsers([1, 'bob'])).toMatchObject([
    { userId: '1', status: 'online', username: 'Ann' },
    { userId: 'bob', status: 'offline', lastSeen: null },
  ])
})

test('a page of another host can not use the cookies of its visitors', async () => {
  const { connect } = await start({ authenticate: () => ({ userId: 'ann' }) })
  expect((await connect('/ws', { origin: 'https://evil.test' })).first).toContain('403')
})

test('the application sets a status, which the user and others are told', async () => {
  const { connect, presence } = await start()
  const { socket } = await connect('/ws?userId=ann', {}, 'who-is-online.v2')
  const told = new Promise(resolve => socket.once('message', data => resolve(JSON.parse(String(data)))))
  await presence.setStatus('ann', { status: 'busy', text: 'on a call', expiresAt: new Date('2999-01-01') })
  expect(presence.getUsers('ann')).toMatchObject([
    { status: 'busy', text: 'on a call', expiresAt: '2999-01-01T00:00:00.000Z' },
  ])
  expect(await told).toMatchObject({ type: 'status_updated', status: 'busy', text: 'on a call' })
  await expect(presence.setStatus('ann', { status: 'asleep' as 'busy' })).rejects.toThrow('"status" must be')
  await expect(presence.setStatus('bob', { status: 'busy' })).rejects.toThrow(
    'the user "bob" has no connection',
  )
  await expect(presence.setStatus('', { status: 'busy' })).rejects.toThrow(TypeError)
})

test('[E20] the application erases a user, who is in no file then', async () => {
  const { connect, presence } = await start()
  const { socket } = await connect('/ws?userId=to-erase&username=Erika')
  const closed = new Promise(resolve => socket.once('close', resolve))
  await presence.eraseUser('to-erase')
  expect(await closed).toBe(4403)
  expect(presence.getUsers('to-erase')).toMatchObject([{ status: 'offline', lastSeen: null }])
  const data = join(dir.path, 'data')
  const files = readdirSync(data, { withFileTypes: true }).filter(entry => entry.isFile())
  const texts = files.map(({ name }) => readFileSync(join(data, name), 'utf8'))
  expect(texts.join()).toContain('who-is-online')
  expect(texts.join()).not.toMatch(/to-erase|Erika/)
  await expect(presence.eraseUser('')).rejects.toThrow('a user id must be')
})

test('the functions need no `this`', async () => {
  const { presence } = await start()
  const { getUsers, handleUpgrade } = presence
  expect(getUsers('ann')).toMatchObject([{ status: 'offline' }])
  expect(handleUpgrade(upgradeRequest('/other'), new PassThrough(), Buffer.alloc(0))).toBe(false)
})

test('the application ends the sessions of a user', async () => {
  const { connect, presence } = await start()
  const { socket } = await connect('/ws?userId=ann')
  const closed = new Promise(resolve => socket.once('close', resolve))
  presence.endSessions('ann')
  expect(presence.getUsers('ann')).toMatchObject([{ status: 'offline' }])
  expect(await closed).toBe(4403)
})

test('the application follows the log of changes, and resumes until the server is closed', async () => {
  const { connect, presence } = await start()
  const { value: since } = await presence.changes()[Symbol.asyncIterator]().next()
  await connect('/ws?userId=ann')
  await presence.setStatus('ann', { status: 'busy' })
  const told: string[] = []
  const enough = new AbortController()
  for await (const { recovered, changes } of presence.changes({ since, signal: enough.signal })) {
    told.push(...changes.map(({ userId, status, cause }) => `${recovered} ${userId} ${status} ${cause}`))
    if (told.length < 3) presence.endSessions('ann')
    else enough.abort()
  }
  expect(told).toEqual(['true ann online opened', 'true ann busy chosen', 'true ann offline kicked'])
  const rest = presence.changes()[Symbol.asyncIterator]()
  await rest.next()
  const end = rest.next()
  await presence.close()
  expect(await end).toEqual({ done: true, value: undefined })
})

test('a list of ids is checked', async () => {
  const { presence } = await start()
  expect(() => presence.getUsers(['ann', 0.5])).toThrow('a user id must be')
  expect(() => presence.getUsers([{} as string])).toThrow(TypeError)
})

test('handler answers health checks and metrics, and passes on the rest', async () => {
  const { origin, presence } = await start()
  expect(await (await fetch(`${origin}/readyz`)).json()).toEqual({ status: 'ready', storage: 'ok' })
  const metrics = await (await fetch(`${origin}/metrics`)).text()
  expect(metrics).toContain('wio_users_online 0')
  // The process belongs to the application.
  expect(metrics).not.toMatch(/process_|nodejs_|wio_log/)
  const unknown = await fetch(`${origin}/`)
  expect([unknown.status, unknown.headers.get('content-type')]).toEqual([404, 'application/problem+json'])
  // Without methods: nothing is set for a path of the application.
  const response = {}
  const next = new Promise(resolve => presence.handler(upgradeRequest('/other'), response as never, resolve))
  expect(await next).toBeUndefined()
  expect(Object.keys(response)).toEqual(['req', 'locals'])
})

test('it has no handlers for signals and writes no log files', async () => {
  const listeners = () => process.eventNames().map(name => [name, process.listenerCount(name)])
  // The folder of a server that was started here by hand.
  const logs = () => existsSync('logs') && readdirSync('logs').map(name => statSync(`logs/${name}`).size)
  const before = [listeners(), logs()]
  const { connect } = await start()
  await connect('/ws?userId=ann')
  expect([listeners(), logs()]).toEqual(before)
  expect(readdirSync(dir.path)).toEqual(['data'])
})

test('close saves, and a directory has one server at a time', async () => {
  const { connect, presence } = await start()
  const { socket } = await connect('/ws?userId=ann')
  await expect(createPresence({ dataDir: join(dir.path, 'data'), auth: 'open', log: false })).rejects.toThrow(
    StoreLocked,
  )
  const closed = new Promise(resolve => socket.once('close', resolve))
  await presence.close()
  await presence.close()
  expect(await closed).toBe(1012)
  await expect(presence.setStatus('ann', { status: 'busy' })).rejects.toThrow('is closed')
  const again = await start()
  expect(again.presence.getUsers('ann')).toMatchObject([{ status: 'online' }])
})
