import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { sleep, TestClient } from '@who-is-online/testing/client'
import { runServer, startServer, temporaryDir } from '@who-is-online/testing/start-server'
import { afterEach, expect, test } from 'vitest'

let dir = temporaryDir()
afterEach(() => {
  dir.remove()
  dir = temporaryDir()
})

test('[S2] wrong settings stop the start with a list of all of them', async () => {
  const { code, output } = await runServer(dir.path, { PORT: 'http', PING_MS: -1, LOG_LEVEL: 'loud' })
  expect(code).toBe(78)
  for (const name of ['PORT', 'PING_MS', 'LOG_LEVEL']) expect(output).toContain(`${name} must be`)
})

test('[S3] in production without AUTH=open the server says that identity by token is not there yet', async () => {
  const { code, output } = await runServer(dir.path, { ENVIRONMENT: 'production' })
  expect(code).toBe(78)
  expect(output).toMatch(/identity by token is not there yet/)
  const server = await startServer(dir.path, { ENVIRONMENT: 'production', AUTH: 'open' })
  expect(await server.end('SIGTERM')).toBe(0)
})

test('[S5] .env is read, and the environment goes before it', async () => {
  writeFileSync(join(dir.path, '.env'), '\uFEFFOFFLINE_GRACE_MS=1234\nPING_MS=777\nPROT=1\n')
  const { code, output } = await runServer(dir.path, { PING_MS: 888 }, ['--print-config'])
  expect(code).toBe(0)
  expect(output).toMatch(/^OFFLINE_GRACE_MS=1234$/m)
  expect(output).toMatch(/^PING_MS=888$/m)
  const server = await startServer(dir.path)
  expect(server.output()).toMatch(/unknown here.*PROT/)
  await server.end('SIGTERM')
})

test('[S4] --version and --help answer and end', async () => {
  expect((await runServer(dir.path, {}, ['--version'])).output).toMatch(/^\d+\.\d+\.\d+\n$/)
  expect((await runServer(dir.path, {}, ['--help'])).output).toContain('OFFLINE_GRACE_MS=5000')
  expect((await runServer(dir.path, {}, ['--helP'])).code).toBe(64)
})

test('[Q1] a port that is taken is said in one sentence', async () => {
  const server = await startServer(dir.path)
  const other = temporaryDir()
  const { code, output } = await runServer(other.path, { PORT: server.port, HOST: '127.0.0.1' })
  expect(code).toBe(1)
  expect(output).toContain(`port ${server.port} is taken; set PORT`)
  await server.end('SIGTERM')
  other.remove()
})

test('[Q2] a second process on the same data exits with 75 and leaves the first alone', async () => {
  const server = await startServer(dir.path)
  const { code, output } = await runServer(dir.path, {})
  expect(code).toBe(75)
  expect(output).toContain(String(server.pid))
  const client = await TestClient.as(server, 'ann')
  await client.leave()
  expect(await server.end('SIGTERM')).toBe(0)
})

test('[Q3] a stop saves, closes with 1012 and exits with 0; meanwhile nobody is let in', async () => {
  const server = await startServer(dir.path)
  const client = await TestClient.as(server, 'ann')
  const ended = server.end('SIGTERM')
  expect((await client.closed).code).toBe(1012)
  expect(await ended).toBe(0)
  const state = JSON.parse(readFileSync(join(dir.path, 'data', 'user_state.json'), 'utf8'))
  expect(state.users).toEqual([expect.objectContaining({ userId: 'ann', status: 'online' })])
  expect(existsSync(join(dir.path, 'data', 'lock'))).toBe(false)
})

test('[Q4] a second signal exits at once, though a client never answers the goodbye', async () => {
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

test('[I8] a damaged state file gives way to its backup and is kept aside', async () => {
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

test('[I8] with state and backup both unreadable the server refuses with 78 and says what to do', async () => {
  mkdirSync(join(dir.path, 'data'))
  writeFileSync(join(dir.path, 'data', 'user_state.json'), '{"users": [')
  const { code, output } = await runServer(dir.path, {})
  expect(code).toBe(78)
  expect(output).toMatch(/user_state\.json/)
  expect(readFileSync(join(dir.path, 'data', 'user_state.json'), 'utf8')).toBe('{"users": [')
})

test('[I8] a file of the plain form is taken over', async () => {
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

test('[G1] the log goes to the console and to files; a stranger’s text can’t forge a line', async () => {
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

test('[G2] in production lines are JSON; where files can’t be written the console goes on', async () => {
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
    message: expect.stringMatching(/log files can’t be written/),
  })
  expect(lines.at(-1)).toMatchObject({ level: 'info', message: 'stopped' })
})
