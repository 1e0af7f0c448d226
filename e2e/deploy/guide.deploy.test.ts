import { spawnSync } from 'node:child_process'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { TestClient } from '@who-is-online/testing/client'
import { useServer } from '@who-is-online/testing/use-server'
import { expect, onTestFinished, test } from 'vitest'
import { blockWith } from './guide.ts'
import { describeWith } from './needed-programs.ts'
import { freePorts, replaced, runNginx, startCaddy, startNginx } from './proxy.ts'
import { AUTH_SECRET, tokenOf } from './token.ts'
import { useTls } from './use-tls.ts'

// What docs/deploy.md lets its readers run, as it stands there.

describeWith(['nginx', 'caddy', 'openssl', 'curl'])('the guide', () => {
  const server = useServer({ ENVIRONMENT: 'production', AUTH_SECRET, TRUST_PROXY: 1 })
  /** It believes the proxy that checks `?userId=`. */
  const open = useServer({ ENVIRONMENT: 'production', AUTH: 'open', TRUST_PROXY: 1 })
  const tls = useTls()

  test.each([
    ['nginx', startNginx],
    ['Caddy', startCaddy],
  ] as const)('%s: its check prints 101 for a right token, and 401 for a wrong one', async (_name, start) => {
    const { certificate } = tls
    const { origin } = await tls.use(start({ dir: tls.newDir(), certificate, upstream: server.port }))
    const check = (token: string): string => {
      const command = replaced(blockWith('sh', 'curl -i --http1.1'), [
        ['https://presence.example.com', origin],
        ['TOKEN', token],
        ['--max-time 3', `--max-time 1 --silent --output - --cacert ${certificate.authorityFile}`],
      ])
      return spawnSync('sh', ['-c', command], { encoding: 'utf8' }).stdout
    }
    expect(check(tokenOf('ann'))).toMatch(/^HTTP\/1\.1 101 .*"type":"welcome"/s)
    expect(check('wrong')).toMatch(/^HTTP\/1\.1 401 /)
  })

  test('its nginx that checks the user asks the application who may connect', async () => {
    const { certificate } = tls
    const idsOf = ({ headers }: IncomingMessage): string[] =>
      new URL(String(headers['x-original-uri']), 'http://localhost').searchParams.getAll('userId')
    const application = createServer((request, response) => {
      const isCheck = request.url === '/presence-check'
      response.writeHead(isCheck ? (idsOf(request).join() === 'ann' ? 204 : 403) : 404).end()
    })
    await new Promise<void>(resolve => application.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void application.close())
    const [port] = await freePorts()
    const site = '/etc/letsencrypt/live/app.example.com'
    const block = replaced(blockWith('nginx', 'auth_request'), [
      ['listen 443 ssl;', `listen 127.0.0.1:${port} ssl;`],
      [`${site}/fullchain.pem`, certificate.certFile],
      [`${site}/privkey.pem`, certificate.keyFile],
      ['127.0.0.1:3050', `127.0.0.1:${open.port}`],
      ['127.0.0.1:8080', `127.0.0.1:${(application.address() as AddressInfo).port}`],
    ])
    const dir = tls.newDir()
    const text = `pid ${dir}/nginx.pid;\nevents {}\nhttp {\naccess_log off;\n${block}}\n`
    const proxy = await tls.use(runNginx(dir, text, port))
    await (await TestClient.as(proxy, 'ann')).leave()
    await expect(TestClient.as(proxy, 'bob')).rejects.toThrow('HTTP 403')
    await expect(TestClient.open(`${proxy.url}?userId=ann&userId=bob`)).rejects.toThrow('HTTP 403')
  })
})
