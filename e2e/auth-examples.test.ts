import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { runInNewContext } from 'node:vm'
import { createClient, type PresenceClient } from '@who-is-online/client'
import { TestClient } from '@who-is-online/testing/client'
import { useServer } from '@who-is-online/testing/use-server'
import { expect, onTestFinished, test } from 'vitest'
import { WebSocket } from 'ws'

// Runs the Express example of docs/auth.md, and the code of the page, exactly as printed, against a real server.

const SECRET = 'not-to-be-printed:a-secret-of-32-bytes'
const page = readFileSync(fileURLToPath(new URL('../docs/auth.md', import.meta.url)), 'utf8')
const server = useServer({ AUTH_SECRET: SECRET })

/** The first block of JavaScript after a text of the page. */
function exampleAfter(text: string): string {
  const [, rest] = page.split(text)
  const code = /```js\n(.*?)```/s.exec(rest ?? '')?.[1]
  if (code === undefined) throw new Error(`docs/auth.md has no example after ${JSON.stringify(text)}`)
  return code
}

/** What the example expects of the application: Express, and a session that knows the signed-in user. */
const BEFORE = `
import express from 'express'
const app = express()
app.use((request, _response, next) => {
  request.session = request.get('cookie') === 'session=ann' ? { user: { id: 7, name: 'Ann' } } : {}
  next()
})
`
const AFTER = `
const http = app.listen(0, '127.0.0.1', () => console.log('port ' + http.address().port))
`

/** Starts an application that consists of the example. Returns its origin. */
async function startApplication(secret: string): Promise<string> {
  // A module from the standard input finds the packages of its working directory.
  const child = spawn(process.execPath, ['--input-type=module', '-'], {
    cwd: fileURLToPath(new URL('.', import.meta.url)),
    env: { PRESENCE_SECRET: secret },
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  child.stdin.end(BEFORE + exampleAfter('**Express**') + AFTER)
  let output = ''
  child.stderr.on('data', data => (output += data))
  return new Promise((resolve, reject) => {
    child.once('exit', () => reject(new Error(`the application ended: ${output}`)))
    child.stdout.on('data', data => {
      output += data
      const port = /^port (\d+)$/m.exec(output)?.[1]
      if (port !== undefined) resolve(`http://127.0.0.1:${port}`)
    })
  })
}

const SIGNED_IN = { headers: { cookie: 'session=ann' } }

/** Runs the code of the page, for the user who is signed in to this application. */
function openPage(application: string): PresenceClient {
  let client: PresenceClient | undefined
  runInNewContext(exampleAfter('And in the page:'), {
    fetch: (path: string) => fetch(application + path, SIGNED_IN),
    createClient: (options: Parameters<typeof createClient>[0]) => {
      client = createClient({ ...options, url: server.url, WebSocket: WebSocket as never })
      return client
    },
  })
  if (!client) throw new Error('the code of the page creates no client')
  onTestFinished(client.close)
  return client
}

test('[D6] the Express example gives a signed-in user a token with which the page connects', async () => {
  const application = await startApplication(SECRET)
  expect((await fetch(`${application}/presence-token`)).status).toBe(401)
  const answer = await fetch(`${application}/presence-token`, SIGNED_IN)
  expect(answer.headers.get('content-type')).toMatch(/^text\/plain/)
  const token = await answer.text()
  const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())
  expect(claims).toMatchObject({ sub: '7', name: 'Ann', exp: claims.iat + 600 })

  const client = openPage(application)
  await expect.poll(() => client.connectionStatus, { timeout: 10_000 }).toBe('open')
  const other = await TestClient.open(`${server.url}?token=${token}`, { protocols: ['who-is-online.v2'] })
  expect(await other.next('welcome')).toMatchObject({ userId: '7' })
  expect(await other.ask({ type: 'subscribe', userIds: ['7'] }, 'presence_state')).toMatchObject({
    users: [{ userId: '7', username: 'Ann', status: 'online' }],
  })
  await other.leave()
})

test('[D6] the negative control: with another secret in the application, the server refuses the token', async () => {
  const application = await startApplication('another secret of the application, 32 bytes')
  const token = await (await fetch(`${application}/presence-token`, SIGNED_IN)).text()
  await expect(TestClient.open(`${server.url}?token=${token}`)).rejects.toThrow('HTTP 401')
})
