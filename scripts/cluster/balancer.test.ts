import { createServer as createHttpServer } from 'node:http'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterEach, expect, test } from 'vitest'
import { type Balancer, startBalancer } from './balancer.ts'

// The timer of the balancer would make the tests depend on time, so they check by themselves.
const NEVER_MS = 60_000

const ends: (() => unknown)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

function listen(server: Server): Promise<number> {
  return new Promise(resolve => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port))
  })
}

/** A node that answers each request with its name. */
async function node(name: string, status = () => 200) {
  const server = createHttpServer((request, response) => {
    response.statusCode = request.url === '/readyz' ? status() : 200
    response.setHeader('connection', 'close')
    response.end(name)
  })
  const port = await listen(server)
  const stop = () =>
    new Promise<void>(resolve => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
  ends.push(stop)
  return { name, port, stop }
}

/** A node that is ready, and passes all other connections to `accept`. */
async function rawNode(accept: (socket: Socket) => void) {
  const server = createServer({ allowHalfOpen: true }, socket => {
    ends.push(() => socket.destroy())
    socket.on('error', () => {})
    socket.once('data', data => {
      if (`${data}`.startsWith('GET /readyz'))
        return socket.end('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n')
      socket.unshift(data)
      accept(socket)
    })
  })
  const port = await listen(server)
  ends.push(() => server.close())
  return { name: 'raw', port }
}

async function balance(targets: readonly { name: string; port: number }[], checkMs = NEVER_MS) {
  const balancer = await startBalancer({ port: 0, targets, checkMs })
  ends.push(balancer.close)
  return balancer
}

function open({ port }: Balancer): Socket {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  socket.on('error', () => {})
  ends.push(() => socket.destroy())
  return socket
}

/** Which node answers a new connection; empty if the balancer closes it. */
async function asked(balancer: Balancer): Promise<string> {
  const socket = open(balancer)
  socket.end('GET / HTTP/1.1\r\nhost: localhost\r\n\r\n')
  const answer = await text(socket).catch(() => '')
  return answer.split('\r\n\r\n')[1]?.match(/[a-z]{2,}/)?.[0] ?? ''
}

async function askedTimes(balancer: Balancer, times: number): Promise<string[]> {
  const names: string[] = []
  for (let i = 0; i < times; i++) names.push(await asked(balancer))
  return names
}

/** Resolves when the other side has ended a connection. A socket that is not read does not notice that. */
const ended = (socket: Socket) =>
  new Promise<'end' | 'reset'>(resolve => {
    socket.once('end', () => resolve('end'))
    socket.once('close', () => resolve('reset'))
    socket.resume()
  })

test('connections go to the nodes in turn', async () => {
  const balancer = await balance([await node('one'), await node('two'), await node('three')])
  expect(await askedTimes(balancer, 6)).toEqual(['one', 'two', 'three', 'one', 'two', 'three'])
})

test('a node that is not ready is skipped until it is ready', async () => {
  let status = 503
  const balancer = await balance([await node('one'), await node('two', () => status)])
  expect(balancer.isReady('two')).toBe(false)
  expect(await askedTimes(balancer, 3)).toEqual(['one', 'one', 'one'])
  status = 200
  await balancer.check()
  expect(balancer.isReady('two')).toBe(true)
  expect(await askedTimes(balancer, 2)).toEqual(['two', 'one'])
})

test('a node that has died since the last check is skipped, and no client notices', async () => {
  const two = await node('two')
  const balancer = await balance([await node('one'), two, await node('three')])
  expect(await askedTimes(balancer, 3)).toEqual(['one', 'two', 'three'])
  await two.stop()
  expect(balancer.isReady('two')).toBe(true)
  expect(await askedTimes(balancer, 4)).toEqual(['one', 'three', 'one', 'three'])
  expect(balancer.isReady('two')).toBe(false)
})

test('nodes are checked again and again', async () => {
  let checks = 0
  const count = () => {
    checks++
    return checks > 2 ? 200 : 503
  }
  const balancer = await balance([await node('one', count)], 10)
  while (!balancer.isReady('one')) await new Promise(resolve => setTimeout(resolve, 5))
  expect(await asked(balancer)).toBe('one')
})

test('a node that does not answer in time is not ready', async () => {
  const server = createServer(socket => void ends.push(() => socket.destroy()))
  const port = await listen(server)
  ends.push(() => server.close())
  const balancer = await balance([{ name: 'silent', port }, await node('one')], 500)
  expect(balancer.isReady('silent')).toBe(false)
})

test('without a ready node, a connection is closed', async () => {
  const balancer = await balance([await node('one', () => 503)])
  expect(await asked(balancer)).toBe('')
})

test('bytes go both ways, and one direction goes on after the end of the other', async () => {
  const received: string[] = []
  const target = await rawNode(socket => {
    socket.on('data', data => {
      received.push(`${data}`)
      socket.write(`echo ${data}`)
    })
    // The node answers after the client has ended its direction.
    socket.on('end', () => socket.end('the last'))
  })
  const socket = open(await balance([target]))
  socket.write('first')
  expect(await new Promise(resolve => socket.once('data', data => resolve(`${data}`)))).toBe('echo first')
  const rest = text(socket)
  socket.end()
  expect(await rest).toBe('the last')
  expect(received).toEqual(['first'])
})

test('the node ends its direction first, and still gets what the client sends', async () => {
  let receive: (all: string) => void
  const all = new Promise<string>(resolve => {
    receive = resolve
  })
  const target = await rawNode(socket => {
    socket.end('bye')
    void text(socket).then(receive)
  })
  const socket = open(await balance([target]))
  socket.write('one ')
  expect(await text(socket)).toBe('bye')
  socket.end('two')
  expect(await all).toBe('one two')
})

test('a connection that breaks on one side is broken on the other', async () => {
  let accepted: (socket: Socket) => void
  let atNode = new Promise<Socket>(resolve => {
    accepted = resolve
  })
  const balancer = await balance([await rawNode(socket => accepted(socket))])
  const first = open(balancer)
  first.write('x')
  const broken = ended(first)
  ;(await atNode).resetAndDestroy()
  expect(await broken).toBe('reset')

  atNode = new Promise<Socket>(resolve => {
    accepted = resolve
  })
  const second = open(balancer)
  second.write('x')
  const brokenToo = ended(await atNode)
  second.resetAndDestroy()
  expect(await brokenToo).toBe('reset')
})

test('close ends all connections and the port', async () => {
  let accepted: (socket: Socket) => void
  const atNode = new Promise<Socket>(resolve => {
    accepted = resolve
  })
  const balancer = await balance([await rawNode(socket => accepted(socket))])
  const client = open(balancer)
  client.write('x')
  const node = await atNode
  const both = Promise.all([ended(client), ended(node)])
  // The negative control: neither has ended before.
  expect([client.readyState, node.readyState]).toEqual(['open', 'open'])
  await balancer.close()
  await both
  expect(await asked(balancer)).toBe('')
})

test('a port that is in use rejects the start', async () => {
  const balancer = await balance([])
  await expect(startBalancer({ port: balancer.port, targets: [] })).rejects.toThrow('EADDRINUSE')
})
