import { execFile, spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { temporaryDir } from '@who-is-online/testing/start-server'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { environmentOf, MAJORS, NotHere, nodeOf, npm } from './node-versions.ts'
import { packClient, packNode, packServer } from './pack.ts'

// All packages as a user gets them: packed, installed with npm into an empty directory on each supported major of
// Node.js, and run there.

const run = promisify(execFile)
const dir = temporaryDir()
let tarballs: readonly string[] = []

beforeAll(async () => {
  tarballs = [
    await packServer(dir.path, { types: false }),
    await packClient(dir.path),
    await packNode(dir.path, { types: false }),
  ]
}, 60_000)

afterAll(dir.remove)

interface Running {
  readonly port: number
  readonly output: () => string
  /** Sends SIGTERM. Resolves with the exit code. */
  readonly end: () => Promise<number | null>
}

/** Starts a program in a directory, and waits until its server listens. */
function start(
  command: string,
  args: readonly string[],
  cwd: string,
  env: NodeJS.ProcessEnv,
): Promise<Running> {
  const child = spawn(command, args, { cwd, env })
  let output = ''
  return new Promise((resolve, reject) => {
    const look = (data: Buffer): void => {
      output += data
      const port = /listening on .*?port (\d+)/.exec(output)?.[1]
      if (port === undefined) return
      const end = (): Promise<number | null> =>
        new Promise(ended => {
          child.once('exit', ended)
          child.kill('SIGTERM')
        })
      resolve({ port: Number(port), output: () => output, end })
    }
    child.stdout.on('data', look)
    child.stderr.on('data', look)
    child.once('exit', code => reject(new Error(`the program ended with ${code}:\n${output}`)))
  })
}

/** Two users in one script; it prints what the second one sees of the first. */
const SCRIPT = `
  const make = userId => createClient({ url: process.argv[2], userId, WebSocket })
  const ann = make('ann')
  const bob = make('bob')
  bob.onChange(([user]) => {
    // The status is in the URL of the connection, and the text comes with the first message.
    if (user.freshness === 'stale' || user.status !== 'busy' || !user.text) return
    console.log(process.versions.node, user.userId, user.status, user.text)
    // Others may see the status before ann has the confirmation.
    chosen.then(() => {
      ann.close()
      bob.close()
    })
  })
  bob.subscribe(['ann'])
  const chosen = ann.setStatus('busy', { text: 'packed' })`

const ESM = `
  import { createClient } from '@who-is-online/client'
  import { useUserStatus } from '@who-is-online/client/react'
  import { observeAppState } from '@who-is-online/client/react-native'
  import { WebSocket } from 'ws'
  if (typeof observeAppState !== 'function') throw new Error('no React Native')
  if (typeof useUserStatus !== 'function') throw new Error('no hooks')
  ${SCRIPT}`

const CJS = `
  const { createClient } = require('@who-is-online/client')
  const { useUserStatus } = require('@who-is-online/client/react')
  const { observeAppState } = require('@who-is-online/client/react-native')
  const { WebSocket } = require('ws')
  if (typeof observeAppState !== 'function') throw new Error('no React Native')
  if (typeof useUserStatus !== 'function') throw new Error('no hooks')
  ${SCRIPT}`

/** The same in a worker thread. */
const WORKER = `
  import { Worker } from 'node:worker_threads'
  new Worker(new URL('client.mjs', import.meta.url), { argv: process.argv.slice(2) })`

/** A backend that waits until a user is online, and is told so. */
const backend = (load: string): string => `
  ${load}
  const presence = createApiClient({ url: process.argv[2].replace(/^ws(.*)\\/ws$/, 'http$1') })
  const main = async () => {
    const socket = new WebSocket(process.argv[2] + '?userId=cid')
    for await (const event of presence.changes()) {
      const users = event.type === 'state' ? event.users : event.changes
      if (users.some(({ userId, status }) => userId === 'cid' && status === 'online')) break
    }
    const { status } = await presence.setStatus('cid', { status: 'busy' })
    await presence.endSessions('cid')
    const missing = await presence.getUser('..').catch(error => error instanceof ApiError && error.code)
    console.log(process.versions.node, status, missing, typeof verifyWebhook, signToken({ userId: 'cid' }, 'x'.repeat(32)).length > 90)
    socket.terminate()
  }
  main()`

const NAMES = 'ApiError, createApiClient, signToken, verifyWebhook'
const BACKENDS = {
  'backend.mjs': backend(`import { ${NAMES} } from '@who-is-online/node'; import { WebSocket } from 'ws'`),
  'backend.cjs': backend(
    `const { ${NAMES} } = require('@who-is-online/node'); const { WebSocket } = require('ws')`,
  ),
}

const embedding = (load: string): string => `
  ${load}
  createPresence({ dataDir: 'embedded', auth: 'open', log: false }).then(async presence => {
    const server = http.createServer(presence.handler)
    server.on('upgrade', (request, socket, head) => {
      if (!presence.handleUpgrade(request, socket, head)) socket.destroy()
    })
    server.listen(0, '127.0.0.1', () => console.log('listening on port ' + server.address().port))
    process.once('SIGTERM', async () => {
      await presence.close()
      server.close()
    })
  })`

/** Where Node.js finds the hooks for server components, and what the file begins with. */
const SERVER_COMPONENT = `
  import { readFileSync } from 'node:fs'
  console.log(readFileSync(new URL(import.meta.resolve('@who-is-online/client/react')), 'utf8').slice(0, 13))`

describe.each(MAJORS)('on Node.js %i', major => {
  const folder = join(dir.path, `node-${major}`)
  let node = ''
  let missing = ''

  beforeAll(async () => {
    mkdirSync(folder)
    writeFileSync(join(folder, 'package.json'), '{ "name": "stranger", "private": true }')
    try {
      node = await nodeOf(major)
      await npm(node, folder, ['install', ...tarballs, 'ws', 'react'])
    } catch (error) {
      if (!(error instanceof NotHere) || process.env['CI']) throw error
      missing = error.message
    }
  }, 180_000)

  /** Like `test`, but skipped where this major can't be had. In CI that is a failure. */
  const tryIt = (name: string, what: () => Promise<void>): void => {
    test(name, { timeout: 40_000 }, async context => {
      context.skip(missing !== '', missing)
      await what()
    })
  }

  const program = () => join(folder, 'node_modules/.bin/who-is-online')
  const env = (settings: Record<string, string> = {}) => ({ ...environmentOf(node), ...settings })

  /** Runs a script in the directory with the URL of a server. */
  async function runScript(
    name: string,
    text: string,
    port: number,
    flags: readonly string[] = [],
  ): Promise<string> {
    writeFileSync(join(folder, name), text)
    const args = [...flags, name, `ws://127.0.0.1:${port}/ws`]
    const { stdout, stderr } = await run(node, args, { cwd: folder, env: env(), timeout: 20_000 })
    expect(stderr).toBe('')
    return stdout
  }

  tryIt('--dev serves at once, the client runs, and SIGTERM saves', async () => {
    const server = await start(program(), ['--dev', '--port', '0'], folder, env({ HOST: '127.0.0.1' }))
    const page = await (await fetch(`http://127.0.0.1:${server.port}/`)).text()
    expect(page).toContain('<script type="module"')
    const seen = new RegExp(`^${major}\\.\\d+\\.\\d+ ann busy packed\n$`)
    expect(await runScript('client.mjs', ESM, server.port)).toMatch(seen)
    expect(await runScript('client.cjs', CJS, server.port)).toMatch(seen)
    expect(await runScript('worker.mjs', WORKER, server.port)).toMatch(seen)
    const told = new RegExp(`^${major}\\.\\d+\\.\\d+ busy bad_options function true\n$`)
    for (const [name, text] of Object.entries(BACKENDS))
      expect(await runScript(name, text, server.port)).toMatch(told)
    expect(await server.end()).toBe(0)
    expect(readFileSync(join(folder, 'data/user_state.json'), 'utf8')).toContain('"ann"')
  })

  tryIt('without --dev it is production, which needs to know how users are identified', async () => {
    const { code, stderr } = await run(program(), [], { cwd: folder, env: env() }).catch(error => error)
    expect(code).toBe(78)
    expect(stderr).toMatch(/AUTH or another setting of identity must be set in production/)
    const settings = { AUTH_SECRET: 'a-secret-of-more-than-thirty-two-bytes', HOST: '127.0.0.1' }
    const server = await start(program(), ['--port=0', '--data-dir', 'elsewhere'], folder, env(settings))
    expect((await fetch(`http://127.0.0.1:${server.port}/readyz`)).status).toBe(200)
    expect(await server.end()).toBe(0)
    expect(existsSync(join(folder, 'elsewhere/user_state.json'))).toBe(true)
  })

  tryIt('--help and --version', async () => {
    const { stdout } = await run(program(), ['--help'], { cwd: folder, env: env() })
    expect(stdout).toMatch(/--dev .*\n.*--port N .*\n.*--data-dir DIR/)
    const { version } = JSON.parse(
      readFileSync(join(folder, 'node_modules/who-is-online/package.json'), 'utf8'),
    )
    expect((await run(program(), ['--version'], { cwd: folder, env: env() })).stdout).toBe(`${version}\n`)
  })

  tryIt('createPresence from an ES module and from CommonJS', async () => {
    const scripts = {
      'embed.mjs': embedding("import http from 'node:http'; import { createPresence } from 'who-is-online'"),
      'embed.cjs': embedding(
        "const http = require('node:http'); const { createPresence } = require('who-is-online')",
      ),
    }
    for (const [name, text] of Object.entries(scripts)) {
      writeFileSync(join(folder, name), text)
      const server = await start(node, [name], folder, env())
      expect(await runScript('client.mjs', ESM, server.port)).toContain('ann busy packed')
      expect((await fetch(`http://127.0.0.1:${server.port}/readyz`)).status).toBe(200)
      expect(await server.end()).toBe(0)
      expect(server.output()).toMatch(/^listening on port \d+\n$/)
    }
    expect(readFileSync(join(folder, 'embedded/user_state.json'), 'utf8')).toContain('"ann"')
  })

  tryIt('the hooks are for client components, also under the condition react-server', async () => {
    const flags = ['--conditions=react-server']
    expect(await runScript('component.mjs', SERVER_COMPONENT, 0, flags)).toMatch(/^["']use client["'];?\n/)
  })
})
