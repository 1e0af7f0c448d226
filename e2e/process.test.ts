import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import { sleep, TestClient } from '@who-is-online/testing/client'
import { runServer, startServer, temporaryDir } from '@who-is-online/testing/start-server'
import { useTemporaryDir } from '@who-is-online/testing/use-temporary-dir'
import { expect, test } from 'vitest'

const hasIpv6 = Object.values(networkInterfaces()).some(all => all?.some(({ address }) => address === '::1'))

const dir = useTemporaryDir()

test('[S2] wrong settings stop the start with a list of all of them', async () => {
  const { code, output } = await runServer(dir.path, { PORT: 'http', PING_MS: -1, LOG_LEVEL: 'loud' })
  expect(code).toBe(78)
  for (const name of ['PORT', 'PING_MS', 'LOG_LEVEL']) expect(output).toContain(`${name} must be`)
})

test('[S3] a production start without a setting of identity lists the choices', async () => {
  const { code, output } = await runServer(dir.path, { ENVIRONMENT: 'production' })
  expect(code).toBe(78)
  expect(output).toMatch(/AUTH_ISSUER .*AUTH_SECRET .*AUTH=open/)
  const server = await startServer(dir.path, { ENVIRONMENT: 'production', AUTH: 'open' })
  expect(await server.end('SIGTERM')).toBe(0)
})

test('[S5] .env is read, and the environment overrides it', async () => {
  writeFileSync(join(dir.path, '.env'), '\uFEFFOFFLINE_GRACE_MS=1234\nPING_MS=777\nPROT=1\n')
  const { code, output } = await runServer(dir.path, { PING_MS: 888 }, ['--print-config'])
  expect(code).toBe(0)
  expect(output).toMatch(/^OFFLINE_GRACE_MS=1234 +# \.env$/m)
  expect(output).toMatch(/^PING_MS=888 +# environment$/m)
  const server = await startServer(dir.path)
  expect(server.output()).toContain('.env: PROT is unknown; did you mean PORT?')
  await server.end('SIGTERM')
})

test('[S5] the .env of the README does not turn a production start into development; --dev does, and overrides everything', async () => {
  writeFileSync(join(dir.path, '.env'), 'PORT=0\nENVIRONMENT=development\n')
  const production = await startServer(dir.path, { ENVIRONMENT: '', AUTH: 'open' })
  const [warning, ...lines] = production.output().trim().split('\n')
  expect(JSON.parse(warning ?? '')).toMatchObject({
    level: 'info',
    message: expect.stringMatching(
      /^\.env sets ENVIRONMENT=development, which is ignored.*--dev \(pnpm dev\)/,
    ),
  })
  expect(JSON.parse(lines.at(-1) ?? '')).toMatchObject({ environment: 'production' })
  expect(await production.end('SIGTERM')).toBe(0)
  for (const ENVIRONMENT of ['', 'production']) {
    const development = await startServer(dir.path, { ENVIRONMENT }, ['--dev'])
    expect(development.output()).toMatch(/listening on .*environment="development"/)
    expect(await development.end('SIGTERM')).toBe(0)
  }
})

test.each([
  ['UTF-16', Buffer.from('\uFEFFPORT=3050\nENVIRONMENT=development\n', 'utf16le'), 'it looks like UTF-16'],
  [
    'Latin-1',
    Buffer.from('# f\u00fcr mich\nPORT=3050\n', 'latin1'),
    'it is not UTF-8; it looks like Latin-1',
  ],
])('[S7] an error names a .env in %s', async (_what, bytes, seems) => {
  writeFileSync(join(dir.path, '.env'), bytes)
  const { code, output } = await runServer(dir.path, { ENVIRONMENT: '' })
  expect(code).toBe(78)
  expect(output).toContain(`.env can't be read: ${seems}`)
  expect(output).toContain('AUTH or another setting of identity must be set')
})

test('[S7] an error names a .env that is a directory', async () => {
  mkdirSync(join(dir.path, '.env'))
  const { code, output } = await runServer(dir.path, {})
  expect(code).toBe(78)
  expect(output).toContain(".env can't be read: it is a directory")
})

test('[S7] an error names a .env that is a symbolic link to a missing file', async () => {
  symlinkSync('missing', join(dir.path, '.env'))
  const { code, output } = await runServer(dir.path, {})
  expect(code).toBe(78)
  expect(output).toContain(".env can't be read: it is a symbolic link to missing, where there is no file")
})

test('[S7] an error names a .env that is a FIFO, and the start does not wait for a writer', async () => {
  execFileSync('mkfifo', [join(dir.path, '.env')])
  const { code, output } = await runServer(dir.path, {})
  expect(code).toBe(78)
  expect(output).toContain(".env can't be read: it is a FIFO (named pipe): replace it with a file")
})

test('[S8] an error names unknown settings with the likely name', async () => {
  writeFileSync(join(dir.path, '.env'), 'ENVIROMENT=development\n')
  const { code, output } = await runServer(dir.path, { ENVIRONMENT: '', PROT: 3051 })
  expect(code).toBe(78)
  expect(output).toContain('AUTH or another setting of identity must be set')
  expect(output).toContain('.env: ENVIROMENT is unknown; did you mean ENVIRONMENT?')
  expect(output).toContain('environment: PROT is unknown; did you mean PORT?')
})

test('[L6] with 256 open files the server logs how many connections it allows, serves them, and can save', async () => {
  const server = await startServer(dir.path, { PING_MS: 60_000 }, [], { openFiles: 256 })
  expect(server.output()).toContain('the open-file limit of 256 allows only 128 connections: raise it')
  const clients = await Promise.all(
    Array.from({ length: 128 }, (_, index) => TestClient.as(server, `u${index}`)),
  )
  await expect(TestClient.as(server, 'one too many')).rejects.toThrow(/503/)
  // Files are reserved for plain HTTP and the disk.
  const ready = await Promise.all(Array.from({ length: 40 }, () => fetch(`${server.origin}/readyz`)))
  for (const response of ready) expect(await response.json()).toEqual({ status: 'ready', storage: 'ok' })
  await (clients[0] as TestClient).ask({ type: 'set_status', status: 'offline' }, 'status_updated')
  expect(await server.end('SIGTERM')).toBe(0)
  const state = JSON.parse(readFileSync(join(dir.path, 'data', 'user_state.json'), 'utf8'))
  expect(state.users).toHaveLength(128)
})

// Node.js 20, which SERVER_NODE may be, opens all modules at once: with so few files it can't load the server.
test.skipIf(process.env['SERVER_NODE'])(
  '[L6] with too few open files the server says so in one sentence and exits with 78',
  async () => {
    for (const openFiles of [40, 95]) {
      const { code, output } = await runServer(dir.path, {}, [], { openFiles })
      expect(output).toBe(
        `the open-file limit of ${openFiles} is too low: the server needs at least 96; raise it (ulimit -n, LimitNOFILE= in systemd, --ulimit nofile= in Docker)\n`,
      )
      expect(code).toBe(78)
      expect(existsSync(join(dir.path, 'data'))).toBe(false)
    }
    const server = await startServer(dir.path, {}, [], { openFiles: 96 })
    const clients = await Promise.all(
      Array.from({ length: 48 }, (_, index) => TestClient.as(server, `u${index}`)),
    )
    expect(clients).toHaveLength(48)
    expect(await server.end('SIGTERM')).toBe(0)
  },
)

test('[S4] --version and --help print and exit', async () => {
  expect((await runServer(dir.path, {}, ['--version'])).output).toMatch(/^\d+\.\d+\.\d+\n$/)
  expect((await runServer(dir.path, {}, ['--help'])).output).toContain('OFFLINE_GRACE_MS=5000')
  expect((await runServer(dir.path, {}, ['--helP'])).code).toBe(64)
})

test('[Q1] a port in use is reported in one sentence', async () => {
  const server = await startServer(dir.path)
  const other = temporaryDir()
  const { code, output } = await runServer(other.path, { PORT: server.port, HOST: '127.0.0.1' })
  expect(code).toBe(1)
  expect(output).toMatch(
    new RegExp(`port ${server.port} is in use: .* PORT=${server.port} on HOST=127\\.0\\.0\\.1; .*set PORT`),
  )
  await server.end('SIGTERM')
  other.remove()
})

test('[Q1] a HOST of another machine is reported with its value', async () => {
  const { code, output } = await runServer(dir.path, { HOST: '192.0.2.7' })
  expect(code).toBe(1)
  expect(output).toMatch(
    /HOST=192\.0\.2\.7 is not an address of this machine: set HOST to one of .*127\.0\.0\.1/,
  )
})

async function printedLinksAnswer(HOST: string, name: string, isReachable: boolean): Promise<void> {
  const server = await startServer(dir.path, { HOST })
  const [, open = '', connect = ''] = /open="([^"]+)" connect="([^"]+)"/.exec(server.output()) ?? []
  expect([open, connect]).toEqual([
    `http://${name}:${server.port}/`,
    `ws://${name}:${server.port}/ws?userId=YOUR_USER_ID`,
  ])
  expect((await fetch(open)).status).toBe(200)
  const client = await TestClient.open(connect)
  await client.next('welcome')
  await client.leave()
  expect(server.output().includes('others in your network can connect')).toBe(isReachable)
  await server.end('SIGTERM')
}

test.each([
  ['127.0.0.1', '127.0.0.1', false],
  ['', '127.0.0.1', false],
  ['0.0.0.0', 'localhost', true],
] as const)('[Q8] with HOST=%s the printed links answer', printedLinksAnswer)

test.skipIf(!hasIpv6)('[Q8] with HOST=[::1] the printed links answer', () =>
  printedLinksAnswer('[::1]', '[::1]', false),
)

test('[Q2] a second process on the same data exits with 75 and does not affect the first', async () => {
  const server = await startServer(dir.path)
  const { code, output } = await runServer(dir.path, {})
  expect(code).toBe(75)
  expect(output).toContain(String(server.pid))
  const client = await TestClient.as(server, 'ann')
  await client.leave()
  expect(await server.end('SIGTERM')).toBe(0)
})

test('[Q3] a stop saves, closes with 1012 and exits with 0; meanwhile no connection is accepted', async () => {
  const server = await startServer(dir.path)
  const client = await TestClient.as(server, 'ann')
  const ended = server.end('SIGTERM')
  expect((await client.closed).code).toBe(1012)
  expect(await ended).toBe(0)
  const state = JSON.parse(readFileSync(join(dir.path, 'data', 'user_state.json'), 'utf8'))
  expect(state.users).toEqual([expect.objectContaining({ userId: 'ann', status: 'online' })])
  expect(existsSync(join(dir.path, 'data', 'lock'))).toBe(false)
})

test('[Q4] a second signal exits at once, even if a client does not answer the close frame', async () => {
  const server = await startServer(dir.path)
  const client = await TestClient.as(server, 'ann')
  const { _socket: socket } = client.socket as unknown as { _socket: { pause(): void } }
  socket.pause()
  const begun = Date.now()
  const ended = server.end('SIGINT')
  await sleep(500)
  process.kill(server.pid, 'SIGINT')
  expect(await ended).toBe(1)
  expect(Date.now() - begun).toBeLessThan(1_500)
  client.socket.terminate()
})

test('[I8] a damaged state file is replaced by its backup and moved aside', async () => {
  for (const user of ['ann', 'bob']) {
    const server = await startServer(dir.path)
    await (await TestClient.as(server, user)).leave()
    await sleep(100)
    await server.end('SIGTERM')
  }
  const main = join(dir.path, 'data', 'user_state.json')
  writeFileSync(main, readFileSync(main, 'utf8').replace('ann', 'eve'))
  const server = await startServer(dir.path)
  expect(server.output()).toMatch(/error.*damaged/)
  const client = await TestClient.as(server, 'looker')
  const { users } = await client.ask({ type: 'get_all_users' }, 'all_users')
  expect(users.map((user: { userId: string }) => user.userId).sort()).toEqual(['ann', 'bob', 'looker'])
  await server.end('SIGTERM')
})

test('[I8] if state and backup are unreadable, the server exits with 78 and says what to do', async () => {
  mkdirSync(join(dir.path, 'data'))
  writeFileSync(join(dir.path, 'data', 'user_state.json'), '{"users": [')
  const { code, output } = await runServer(dir.path, {})
  expect(code).toBe(78)
  expect(output).toMatch(/user_state\.json/)
  expect(readFileSync(join(dir.path, 'data', 'user_state.json'), 'utf8')).toBe('{"users": [')
})

test('[Z8] an unusable data directory is one sentence and exit code 78, without a stack trace', async () => {
  writeFileSync(join(dir.path, 'data'), 'a file where a directory should be')
  const { code, output } = await runServer(dir.path, {})
  expect(code).toBe(78)
  expect(output.trim().split('\n')).toHaveLength(1)
  expect(output).toContain(`the data directory ${join(dir.path, 'data')} can't be used`)
  expect(output).toContain('set DATA_DIR to another directory')
})

test('[Z5] a stale lock without any state is exit code 78, and the error names the file to delete', async () => {
  await (await startServer(dir.path)).end('SIGKILL')
  const data = join(dir.path, 'data')
  for (const name of readdirSync(data)) if (name.startsWith('user_state')) rmSync(join(data, name))
  const { code, output } = await runServer(dir.path, {})
  expect(code).toBe(78)
  expect(output).toContain(`delete ${join(data, 'lock')} to start with an empty state`)
})

test('[Z2] a data directory removed while the server runs is created again with all users', async () => {
  const server = await startServer(dir.path)
  await (await TestClient.as(server, 'ann')).leave()
  rmSync(join(dir.path, 'data'), { recursive: true })
  while (!server.output().includes('the state is saved again')) await sleep(50)
  await server.end('SIGKILL')
  expect(readFileSync(join(dir.path, 'data', 'user_state.json'), 'utf8')).toContain('"userId":"ann"')
})

test('[I8] a file in the plain form is imported', async () => {
  mkdirSync(join(dir.path, 'data'))
  const lastSeen = new Date(Date.now() - 86_400_000).toISOString()
  const ann = { userId: 'ann', status: 'offline', lastSeen, username: 'Ann' }
  writeFileSync(join(dir.path, 'data', 'user_state.json'), JSON.stringify({ ann }))
  const server = await startServer(dir.path)
  const client = await TestClient.as(server, 'looker')
  const { users } = await client.ask({ type: 'get_all_users' }, 'all_users')
  expect(users[1]).toEqual(ann)
  await server.end('SIGTERM')
})

test('[G1] the log goes to the console and to files; text of clients can not forge a line', async () => {
  const server = await startServer(dir.path, { LOG_LEVEL: 'debug' })
  const client = await TestClient.as(server, '\u2028error forged \u202e line')
  await client.leave()
  await sleep(100)
  await server.end('SIGTERM')
  const file = readFileSync(join(dir.path, 'logs', 'who-is-online.log'), 'utf8')
  for (const text of [server.output(), file]) {
    expect(text).toMatch(/info {2}listening on 127\.0\.0\.1/)
    expect(text).toContain('userId="\\\\u{2028}error forged \\\\u{202e} line"')
  }
})

test('[G2] in production lines are JSON; if files can not be written, the console continues', async () => {
  writeFileSync(join(dir.path, 'logs'), 'a file where a directory should be')
  const server = await startServer(dir.path, { ENVIRONMENT: 'production', AUTH: 'open' })
  await server.end('SIGTERM')
  const lines = server
    .output()
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))
  expect(lines[0]).toMatchObject({
    level: 'error',
    message: expect.stringMatching(/log files can not be written/),
  })
  expect(lines.at(-1)).toMatchObject({ level: 'info', message: 'stopped' })
})
