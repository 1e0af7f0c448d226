import { connect, createServer, type Server, type Socket } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { TcpProxy } from './tcp-proxy.ts'

let server: Server
let proxy: TcpProxy
let client: Socket
let echoed: string

/** Waits until as much was echoed. */
async function until(text: string): Promise<void> {
  while (echoed !== text) await new Promise(resolve => setTimeout(resolve, 5))
}

const nothingFor = (ms: number) => new Promise(resolve => setTimeout(resolve, ms))

beforeEach(async () => {
  server = createServer(socket => socket.on('error', () => {}).pipe(socket))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  proxy = await TcpProxy.start(typeof address === 'object' && address ? address.port : 0)
  echoed = ''
  client = connect(proxy.port, '127.0.0.1')
  client.on('data', data => {
    echoed += data
  })
  client.on('error', () => {})
})

afterEach(async () => {
  client.destroy()
  await proxy.stop()
  server.close()
})

test('passes what it gets, and delays it in each direction', async () => {
  client.write('a')
  await until('a')
  proxy.delay(100)
  const begun = performance.now()
  client.write('b')
  await until('ab')
  expect(performance.now() - begun).toBeGreaterThan(190)
})

test('keeps the order when a delay ends', async () => {
  client.write('a')
  await until('a')
  proxy.delay(5_000)
  client.write('b')
  await nothingFor(50)
  proxy.heal()
  client.write('c')
  await until('abc')
})

test('passes nothing during a stall, and all of it afterwards', async () => {
  proxy.stall()
  client.write('a')
  await nothingFor(100)
  expect(echoed).toBe('')
  proxy.heal()
  await until('a')
})

test('cuts connections, and accepts new ones', async () => {
  client.write('a')
  await until('a')
  const closed = new Promise(resolve => client.once('close', resolve))
  proxy.cut()
  await closed
  client = connect(proxy.port, '127.0.0.1')
  client.on('data', data => {
    echoed += data
  })
  client.write('b')
  await until('ab')
})
