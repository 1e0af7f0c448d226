import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { temporaryDir } from '@who-is-online/testing/start-server'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { environmentOf, npm } from '../packages/node-versions.ts'
import { packServer, root } from '../packages/pack.ts'

// The recipes of docs/embedding.md, unchanged but for port and directory, with the frameworks and the packed server.

const folder = join(root, 'e2e/recipes')
/** Git ignores it, and a recipe in it finds the packages of the folder above. */
const scripts = join(folder, 'node_modules/.recipes')
const dir = temporaryDir()

beforeAll(async () => {
  const tarball = await packServer(dir.path, { types: false })
  await npm(process.execPath, folder, ['ci', '--ignore-scripts'])
  await npm(process.execPath, folder, ['install', '--no-save', '--ignore-scripts', tarball])
  mkdirSync(scripts, { recursive: true })
  writeFileSync(
    join(scripts, 'app.module.js'),
    "import { Module } from '@nestjs/common'\nexport class AppModule {}\nModule({})(AppModule)\n",
  )
  writeFileSync(join(scripts, 'package.json'), '{ "type": "module" }')
}, 180_000)

afterAll(dir.remove)

/** The code of a recipe, with any free port, and its state in the temporary directory. */
function recipe(name: string): string {
  const page = readFileSync(join(root, 'docs/embedding.md'), 'utf8')
  const code = new RegExp(`<!-- recipe:${name} -->\\n\\n\`\`\`js\\n(.*?)\`\`\``, 's').exec(page)?.[1]
  if (code === undefined) throw new Error(`docs/embedding.md has no recipe "${name}"`)
  const dataDir = JSON.stringify(join(dir.path, name))
  return code.replace(/\b3000\b/, '0').replace("dataDir: 'data'", `dataDir: ${dataDir}`)
}

interface Application {
  readonly port: number
  readonly child: ChildProcess
  readonly output: () => string
}

function start(name: string): Promise<Application> {
  const file = join(scripts, `${name}.js`)
  writeFileSync(file, recipe(name))
  const args = ['--import', join(folder, 'surroundings.mjs'), file]
  const env = { ...environmentOf(process.execPath), NODE_ENV: 'development', NEXT_TELEMETRY_DISABLED: '1' }
  const child = spawn(process.execPath, args, { cwd: folder, env })
  onTestFinished(() => void child.kill('SIGKILL'))
  let output = ''
  return new Promise((resolve, reject) => {
    const look = (data: Buffer): void => {
      output += data
      const port = /listening on port (\d+)/.exec(output)?.[1]
      if (port !== undefined) resolve({ port: Number(port), child, output: () => output })
    }
    child.stdout.on('data', look)
    child.stderr.on('data', look)
    child.once('exit', code => reject(new Error(`the recipe ended with ${code}:\n${output}`)))
  })
}

/** Asks for a WebSocket. Resolves with the status and the first message, or the error of the socket. */
function upgrade(port: number, path: string, headers: Record<string, string> = {}): Promise<string> {
  return new Promise(resolve => {
    const asked = request({
      port,
      path,
      host: '127.0.0.1',
      headers: {
        ...headers,
        Connection: 'Upgrade',
        Upgrade: 'websocket',
        'Sec-WebSocket-Version': '13',
        'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
      },
    })
    asked.on('upgrade', (response, socket, head) => {
      onTestFinished(() => void socket.destroy())
      if (head.length > 0) return resolve(`${response.statusCode} ${head}`)
      const timer = setTimeout(() => resolve(`${response.statusCode}`), 1_000)
      socket.once('data', data => {
        clearTimeout(timer)
        resolve(`${response.statusCode} ${data}`)
      })
    })
    asked.setTimeout(5_000, () => resolve('no answer'))
    asked.on('response', response => resolve(String(response.statusCode)))
    asked.on('error', error => resolve((error as NodeJS.ErrnoException).code ?? error.message))
    asked.end()
  })
}

describe.each([
  { name: 'express', foreign: ['/other', /^ECONNRESET$/], team: true, operations: true },
  { name: 'fastify', foreign: ['/other', /^ECONNRESET$/], team: true, operations: false },
  { name: 'nest', foreign: ['/other', /^ECONNRESET$/], team: false, operations: true },
  // Next.js reloads pages over its own WebSocket.
  { name: 'next', foreign: ['/_next/hmr?id=1', /^101/], team: false, operations: false },
] as const)('$name', ({ name, foreign: [path, answer], team, operations }) => {
  test('connects users whom the application knows, and leaves the rest to the framework', {
    timeout: 60_000,
  }, async () => {
    const { port, child, output } = await start(name)
    const origin = `http://127.0.0.1:${port}`
    // First, because Next.js begins to listen for upgrade requests with its first request.
    if (name === 'next') expect(await (await fetch(origin)).text()).toContain('A page of Next.js')
    expect(await upgrade(port, '/ws', { Cookie: 'user=ann' }), output()).toMatch(/^101 .*"userId":"ann"/s)
    expect(await upgrade(port, '/ws')).toBe('401')
    expect(await upgrade(port, path)).toMatch(answer)
    if (team) {
      const users = await (await fetch(`${origin}/team`)).json()
      expect(users).toMatchObject([
        { userId: 'ann', status: 'online', username: 'Name of ann' },
        { userId: 'bob', status: 'offline', lastSeen: null },
      ])
    }
    if (operations) expect((await fetch(`${origin}/presence/readyz`)).status).toBe(200)
    const ended = new Promise(resolve => child.once('exit', resolve))
    child.kill('SIGTERM')
    expect(await ended, output()).toBe(0)
    expect(readFileSync(join(dir.path, name, 'user_state.json'), 'utf8')).toContain('"ann"')
  })
})
