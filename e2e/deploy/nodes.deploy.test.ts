import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { TestClient } from '@who-is-online/testing/client'
import { until } from '@who-is-online/testing/shell-server'
import { useServer } from '@who-is-online/testing/use-server'
import { beforeAll, expect, onTestFinished, test } from 'vitest'
import { describeWith } from './needed-programs.ts'
import { type RunningProxy, startCaddyOfCluster } from './proxy.ts'
import { AUTH_SECRET, tokenOf } from './token.ts'
import { useTls } from './use-tls.ts'

// Caddy in front of several nodes, with deploy/Caddyfile.cluster. What matters here is which node gets a connection, so
// the nodes need not share a Redis.

const SETTINGS = { ENVIRONMENT: 'production', AUTH_SECRET, AUTH_WATCH: 'all', TRUST_PROXY: 1 }

describeWith(['caddy', 'openssl'])('Caddy in front of several nodes', () => {
  const [one, two] = [useServer(SETTINGS), useServer(SETTINGS)]
  const tls = useTls()
  let proxy: RunningProxy
  beforeAll(async () => {
    const place = { dir: tls.newDir(), certificate: tls.certificate }
    proxy = await tls.use(startCaddyOfCluster([one.port, two.port], place))
  })

  const connections = async ({ origin }: { readonly origin: string }): Promise<number> => {
    const figures = await (await fetch(`${origin}/metrics`)).text()
    return Number(/^wio_connections (\d+)$/m.exec(figures)?.[1])
  }
  const connect = (user: string) => TestClient.open(`${proxy.url}?token=${tokenOf(user)}`)

  test('connections go to the nodes in turn', async () => {
    const clients = [await connect('ann'), await connect('bob'), await connect('cid'), await connect('dora')]
    expect(await Promise.all([connections(one), connections(two)])).toEqual([2, 2])
    await Promise.all(clients.map(client => client.leave()))
  })

  test('a node that is not ready gets no client, and is used when it is ready', async () => {
    let status = 503
    let asked = 0
    const node = createServer((request, response) => {
      if (request.url !== '/readyz') asked++
      response.writeHead(request.url === '/readyz' ? status : 426).end()
    })
    await new Promise<void>(resolve => node.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void node.close())
    const { port } = node.address() as AddressInfo
    const place = { dir: tls.newDir(), certificate: tls.certificate }
    const other = await tls.use(startCaddyOfCluster([one.port, port], place))
    const ask = () => fetch(`${other.origin}/ws`)
    // The first check of a node may be after the first requests.
    await until('the node is skipped', async () => {
      const before = asked
      for (let i = 0; i < 4; i++) await ask()
      return asked === before
    })
    status = 200
    await until('the node is used', async () => {
      const before = asked
      await ask()
      return asked > before
    })
  })

  test('after the end of a node, its clients connect to another one at once', async () => {
    const clients = [await connect('eve'), await connect('fay')]
    await one.end('SIGKILL')
    for (let i = 0; i < 4; i++) clients.push(await connect(`user${i}`))
    expect(await connections(two)).toBe(5)
    await Promise.all(clients.slice(2).map(client => client.leave()))
  })
})
