// nginx and Caddy with the configurations of deploy/, changed only where this machine differs: names, ports and paths.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { until } from '@who-is-online/testing/shell-server'
import { PROGRAM_PATH } from './needed-programs.ts'

/** A certificate for `localhost`, and the authority that signed it. */
export interface Certificate {
  /** The certificate of the authority, as PEM. */
  readonly authority: string
  /** The file of that certificate. */
  readonly authorityFile: string
  readonly certFile: string
  readonly keyFile: string
}

/** A proxy that runs. */
export interface RunningProxy {
  /** `https://localhost:PORT` */
  readonly origin: string
  /** `wss://localhost:PORT/ws` */
  readonly url: string
  /** Everything that it has logged. */
  readonly logged: () => string
  readonly stop: () => Promise<void>
}

interface Place {
  readonly dir: string
  readonly certificate: Certificate
  /** The port of the server behind the proxy. */
  readonly upstream: number
  /** Changes the configuration, for a negative control. */
  readonly change?: (text: string) => string
}

const running = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/** Makes an authority, and a certificate for `localhost` that it signs, in `dir`. */
export function makeCertificate(dir: string): Certificate {
  const file = (name: string): string => join(dir, name)
  const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: 'pipe' })
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
  openssl(
    'req',
    '-x509',
    ...key,
    '-keyout',
    file('ca.key'),
    '-out',
    file('ca.pem'),
    '-days',
    '2',
    '-subj',
    '/CN=test',
  )
  openssl('req', ...key, '-keyout', file('site.key'), '-out', file('site.csr'), '-subj', '/CN=localhost')
  writeFileSync(file('names'), 'subjectAltName=DNS:localhost,IP:127.0.0.1\n')
  const signed = [
    '-CA',
    file('ca.pem'),
    '-CAkey',
    file('ca.key'),
    '-CAcreateserial',
    '-extfile',
    file('names'),
  ]
  openssl('x509', '-req', '-in', file('site.csr'), ...signed, '-out', file('site.pem'), '-days', '2')
  return {
    authority: readFileSync(file('ca.pem'), 'utf8'),
    authorityFile: file('ca.pem'),
    certFile: file('site.pem'),
    keyFile: file('site.key'),
  }
}

/** Starts nginx with deploy/nginx.conf. Rejects if nginx finds a fault in the configuration. */
export async function startNginx({
  dir,
  certificate,
  upstream,
  change = text => text,
}: Place): Promise<RunningProxy> {
  const [https, http] = await freePorts()
  const site = '/etc/letsencrypt/live/presence.example.com'
  const text = replaced(readFileSync('deploy/nginx.conf', 'utf8'), [
    ['listen 443 ssl;', `listen 127.0.0.1:${https} ssl;`],
    ['listen 80;', `listen 127.0.0.1:${http};`],
    // Not each machine has IPv6.
    ['listen [::]:443 ssl;', ''],
    ['listen [::]:80;', ''],
    ['server_name presence.example.com;', 'server_name localhost;'],
    [`${site}/fullchain.pem`, certificate.certFile],
    [`${site}/privkey.pem`, certificate.keyFile],
    ['http://127.0.0.1:3050', `http://127.0.0.1:${upstream}`],
    ['/run/nginx.pid', join(dir, 'nginx.pid')],
    ['/var/log/nginx/access.log', join(dir, 'access.log')],
    ['/var/log/nginx/error.log', join(dir, 'error.log')],
  ])
  const proxy = await runNginx(dir, change(text), https)
  const logs = ['access.log', 'error.log'].map(name => join(dir, name))
  return { ...proxy, logged: () => logs.map(log => readFileSync(log, 'utf8')).join('') }
}

/** Starts nginx with a complete configuration. Rejects if nginx finds a fault in it. */
export function runNginx(dir: string, text: string, port: number): Promise<RunningProxy> {
  const file = join(dir, 'nginx.conf')
  writeFileSync(file, text)
  const env = { PATH: PROGRAM_PATH }
  // With stderr as its first log, it does not need the directory of Debian's package.
  execFileSync('nginx', ['-t', '-c', file, '-e', 'stderr'], { env, stdio: 'pipe' })
  return start('nginx', ['-c', file, '-e', 'stderr', '-g', 'daemon off;'], env, port)
}

/** Starts Caddy with deploy/Caddyfile. Rejects if Caddy finds a fault in it. */
export function startCaddy({ upstream, ...place }: Place): Promise<RunningProxy> {
  return runCaddy('deploy/Caddyfile', [upstream], place)
}

/** Starts Caddy with deploy/Caddyfile.cluster in front of several servers. Rejects if Caddy finds a fault in it. */
export function startCaddyOfCluster(
  upstreams: readonly number[],
  place: Omit<Place, 'upstream'>,
): Promise<RunningProxy> {
  return runCaddy('deploy/Caddyfile.cluster', upstreams, place)
}

async function runCaddy(
  path: string,
  upstreams: readonly number[],
  { dir, certificate, change = text => text }: Omit<Place, 'upstream'>,
): Promise<RunningProxy> {
  const [https, http] = await freePorts()
  const site = '{$DOMAIN:presence.example.com} {\n'
  const global = '\n{\n'
  const text = replaced(readFileSync(path, 'utf8'), [
    [global, `${global}\tadmin off\n\thttp_port ${http}\n`],
    // This machine has no public name, so the certificate is a file.
    [site, `${site}\ttls ${certificate.certFile} ${certificate.keyFile}\n`],
  ])
  const file = join(dir, 'Caddyfile')
  writeFileSync(file, change(text))
  const env = {
    PATH: PROGRAM_PATH,
    HOME: dir,
    DOMAIN: `localhost:${https}`,
    UPSTREAM: upstreams.map(port => `127.0.0.1:${port}`).join(' '),
  }
  const args = ['--config', file, '--adapter', 'caddyfile']
  execFileSync('caddy', ['validate', ...args], { env, stdio: 'pipe' })
  return start('caddy', ['run', ...args], env, https)
}

/** @throws Error for a text that the configuration does not contain */
export function replaced(text: string, pairs: readonly (readonly [from: string, to: string])[]): string {
  return pairs.reduce((changed, [from, to]) => {
    if (!changed.includes(from)) throw new Error(`the configuration does not contain ${JSON.stringify(from)}`)
    return changed.replaceAll(from, () => to)
  }, text)
}

async function start(
  program: string,
  args: string[],
  env: NodeJS.ProcessEnv,
  port: number,
): Promise<RunningProxy> {
  const child = spawn(program, args, { env, stdio: ['ignore', 'pipe', 'pipe'] })
  running.add(child)
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', data => {
      output += data
    })
  }
  const ended = new Promise<void>(resolve => child.once('exit', () => resolve()))
  void ended.then(() => running.delete(child))
  const origin = `https://localhost:${port}`
  await until(`${program} answers`, async () => {
    if (child.exitCode !== null) throw new Error(`${program} ended:\n${output}`)
    return fetch(`${origin}/not-public`).then(
      ({ status }) => status === 404,
      () => false,
    )
  })
  return {
    origin,
    url: `${origin.replace('https', 'wss')}/ws`,
    logged: () => output,
    async stop() {
      child.kill('SIGTERM')
      await ended
    },
  }
}

/** Two ports that were free just now. */
export async function freePorts(): Promise<[number, number]> {
  const servers = [createServer(), createServer()]
  const ports = await Promise.all(
    servers.map(
      server =>
        new Promise<number>(resolve => {
          server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port))
        }),
    ),
  )
  await Promise.all(servers.map(server => new Promise(resolve => server.close(resolve))))
  return ports as [number, number]
}
