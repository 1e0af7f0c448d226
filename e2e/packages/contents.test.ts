import { execFile } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { temporaryDir } from '@who-is-online/testing/start-server'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { packClient, packNode, packServer, root } from './pack.ts'

// What is in the packed packages, and whether the types are right for each way in which TypeScript finds them.

const run = promisify(execFile)
const dir = temporaryDir()
const modules = join(dir.path, 'node_modules')
const packages = [
  { name: 'who-is-online', folder: 'server' },
  { name: '@who-is-online/client', folder: 'client' },
  { name: '@who-is-online/node', folder: 'node' },
]
const tarballs = new Map<string, string>()

beforeAll(async () => {
  tarballs.set('who-is-online', await packServer(dir.path, { types: true }))
  tarballs.set('@who-is-online/client', await packClient(dir.path))
  tarballs.set('@who-is-online/node', await packNode(dir.path, { types: true }))
  for (const [name, tarball] of tarballs) {
    mkdirSync(join(modules, name), { recursive: true })
    await run('tar', ['-xzf', tarball, '--strip-components=1', '-C', join(modules, name)])
  }
  const require = createRequire(join(root, 'client/package.json'))
  for (const [name, from] of [
    ['@types/react', require],
    ['@types/node', createRequire(join(root, 'package.json'))],
  ] as const) {
    mkdirSync(dirname(join(modules, name)), { recursive: true })
    symlinkSync(dirname(from.resolve(`${name}/package.json`)), join(modules, name), 'junction')
  }
  mkdirSync(join(modules, 'vue'))
  writeFileSync(join(modules, 'vue/package.json'), '{ "name": "vue", "types": "index.d.ts" }')
  writeFileSync(join(modules, 'vue/index.d.ts'), VUE)
}, 90_000)

afterAll(dir.remove)

/** The types of Vue that the client's types use. Those of Vue have errors with `node16`, and take long to check. */
const VUE = `
  export interface Ref<Value> { value: Value }
  export type MaybeRefOrGetter<Value> = Value | Ref<Value> | (() => Value)`

function filesOf(name: string): string[] {
  return readdirSync(join(modules, name), { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath, entry.name).slice(join(modules, name).length + 1))
}

const manifestOf = (name: string) => JSON.parse(readFileSync(join(modules, name, 'package.json'), 'utf8'))

describe.each(packages)('$name', ({ name, folder }) => {
  test('has modules, types and documents, and nothing else', () => {
    const kinds = filesOf(name).map(path => path.replace(/^page\/.*/, 'page/').replace(/^[\w-]+(?=\.)/, '*'))
    const allowed = ['*.js', '*.cjs', '*.d.ts', '*.d.cts', '*.json', '*.md', 'LICENSE']
    const maps = ['*.js.map', '*.cjs.map']
    const own = { server: ['page/'], client: [...maps, '*.iife.js'], node: maps }[folder] ?? []
    expect([...new Set(kinds)].toSorted()).toEqual([...allowed, ...own].toSorted())
    expect(filesOf(name)).toEqual(expect.arrayContaining(['README.md', 'LICENSE', 'index.d.cts']))
    expect(filesOf(name).join('\n')).not.toMatch(/\.(test|suite|fake|model)\.|testing/)
  })

  test('refers to nothing that exists only in the workspace', () => {
    const text = filesOf(name).filter(path => /\.(c?js|ts|cts|json)$/.test(path))
    expect(text.length).toBeGreaterThan(4)
    for (const path of text) {
      expect(readFileSync(join(modules, name, path), 'utf8'), path).not.toMatch(
        /workspace:|@who-is-online\/(source|protocol|testing)/,
      )
    }
    const { scripts, devDependencies, publishConfig } = manifestOf(name)
    expect({ scripts, devDependencies, publishConfig }).toEqual({})
  })

  test('tells npm and its users what it is', () => {
    const manifest = manifestOf(name)
    expect(manifest).toMatchObject({ name, license: 'MIT', engines: { node: '>=20.19' } })
    for (const field of ['description', 'keywords', 'homepage', 'bugs', 'author'])
      expect(manifest[field], field).toBeTruthy()
    expect(manifest.repository).toMatchObject({ type: 'git', url: expect.stringMatching(/^git\+https:/) })
    expect(readFileSync(join(modules, name, 'README.md'), 'utf8').length).toBeGreaterThan(1_000)
  })

  test('`pnpm publish` and changesets publish what the build makes', () => {
    const { publishConfig, private: isPrivate } = JSON.parse(
      readFileSync(join(root, folder, 'package.json'), 'utf8'),
    )
    expect(publishConfig).toEqual({ access: 'public', directory: 'dist', linkDirectory: false })
    expect(isPrivate).toBeUndefined()
  })

  test.each([
    ['publint', ['--strict']],
    ['attw', []],
  ])('%s finds nothing', async (tool, args) => {
    const client = join(root, 'client')
    const command = [tarballs.get(name) ?? '', ...args]
    const program = join(client, 'node_modules/.bin', tool)
    const { stdout, stderr, code } = await run(program, command, { cwd: client }).catch(error => error)
    expect(code ?? 0, `${stdout}${stderr}`).toBe(0)
  })
})

test.each(['client', 'node'])('%s has no dependencies', name => {
  expect(manifestOf(`@who-is-online/${name}`).dependencies).toBeUndefined()
})

test('the hooks are marked as client components, and the core is not', () => {
  const begin = (file: string) =>
    readFileSync(join(modules, '@who-is-online/client', file), 'utf8').slice(0, 13)
  for (const file of ['react.js', 'react.cjs']) expect(begin(file)).toBe('"use client";')
  for (const file of ['index.js', 'index.cjs']) expect(begin(file)).not.toContain('use client')
})

const CLIENT = `
  import { createClient, PresenceError, type PresenceUser } from '@who-is-online/client'
  import { PresenceProvider, usePresence, useUserStatus } from '@who-is-online/client/react'
  import type * as OfReact from '@who-is-online/client/react'
  import { observeAppState } from '@who-is-online/client/react-native'
  import type * as OfReactNative from '@who-is-online/client/react-native'
  import { PresenceError as PresenceErrorOfVue, providePresence } from '@who-is-online/client/vue'
  import type * as OfVue from '@who-is-online/client/vue'
  export type Statuses = OfReact.Status | OfReactNative.Status | OfVue.Status
  export type Ids = OfReact.UserId | OfReactNative.UserId | OfVue.UserId
  export type Users = OfReact.PresenceUser | OfReactNative.PresenceUser | OfVue.PresenceUser
  export type Mine = OfReact.MyStatus | OfReactNative.MyStatus | OfVue.MyStatus
  export type States = OfReact.ConnectionState | OfReactNative.ConnectionState | OfVue.ConnectionState
  export type Clients = OfReact.PresenceClient | OfReactNative.PresenceClient | OfVue.PresenceClient
  export const isSame: OfReact.PresenceError & OfReactNative.PresenceError = new PresenceErrorOfVue('closed')
  const client = createClient({ url: 'ws://localhost/ws', userId: 'me', WebSocket })
  client.onChange((users: readonly PresenceUser[]) => users.map(user => user.lastSeen?.length))
  client.onError(error => error instanceof PresenceError && error.code satisfies string)
  export const Dot = (id: string | number): string | undefined => (useUserStatus(id) ?? usePresence(id))?.status
  export const uses = [PresenceProvider, observeAppState, providePresence]
  client.user(7).subscribe(user => user?.lastSeen)
  // @ts-expect-error: not a status
  void client.setStatus('asleep')
  // @ts-expect-error: the url is missing
  createClient({ userId: 'me' })`

const SERVER = `
  import { createServer } from 'node:http'
  import { createPresence, type EmbeddedPresence } from 'who-is-online'
  export async function start(): Promise<EmbeddedPresence> {
    const presence = await createPresence({
      dataDir: 'data',
      offlineGraceMs: 3_000,
      allowedOrigins: ['https://app.example.com'],
      authenticate: async request => (request.headers.cookie ? { userId: 7, watch: 'all' } : null),
    })
    createServer(presence.handler).on('upgrade', presence.handleUpgrade)
    const status: 'online' | 'away' | 'busy' | 'offline' | undefined = presence.getUsers(['ann', 7])[0]?.status
    await presence.setStatus('ann', { status: status ?? 'busy', expiresAt: new Date() })
    return presence
  }
  // @ts-expect-error: dataDir is missing
  void createPresence({})
  // @ts-expect-error: not an option
  void createPresence({ dataDir: 'data', port: 80 })`

const BACKEND = `
  import { createApiClient, type Place, signToken, type User, verifyWebhook } from '@who-is-online/node'
  const presence = createApiClient({ url: 'http://localhost:3050' })
  export const ann: Promise<User> = presence.getUser('ann', { timeoutMs: 5 })
  export const status: Promise<boolean> = presence.setStatus(7, { status: 'busy' }).then(user => user.confirmed)
  export async function copy(since: Place): Promise<readonly User[] | undefined> {
    for await (const event of presence.changes({ since })) if (event.type === 'state') return event.users
    return undefined
  }
  export const token: string = signToken({ userId: 'ann', watch: 'all' }, 'secret')
  export const page = verifyWebhook('{}', new Headers(), ['secret']).changes[0]?.cause
  // @ts-expect-error: not a status
  void presence.setStatus('ann', { status: 'asleep' })
  // @ts-expect-error: only the full state has users
  void presence.changes().next().then(({ value }) => value && value.type === 'changes' && value.users)
  // @ts-expect-error: the url is missing
  createApiClient({ key: 'x' })`

/** The examples in the README of the package for backends. They are ES modules. */
const README_EXAMPLES = [
  ...readFileSync(join(root, 'node/README.md'), 'utf8').matchAll(/```ts\n(.*?)```/gs),
].map(([, code = '']) => code)

interface Case {
  readonly module: string
  readonly moduleResolution: string
  readonly type: 'module' | 'commonjs'
  readonly tsc: string
}

test('the README for backends has examples', () => {
  expect(README_EXAMPLES).toHaveLength(5)
})

test.each<Case>([
  { module: 'esnext', moduleResolution: 'bundler', type: 'module', tsc: 'tsc' },
  { module: 'node16', moduleResolution: 'node16', type: 'module', tsc: 'tsc' },
  { module: 'node16', moduleResolution: 'node16', type: 'commonjs', tsc: 'tsc' },
  { module: 'nodenext', moduleResolution: 'nodenext', type: 'commonjs', tsc: 'tsc' },
  // TypeScript 7 no longer has it, but projects with older versions do.
  { module: 'commonjs', moduleResolution: 'node10', type: 'commonjs', tsc: 'tsc6' },
])(
  'the types are right with module $module, resolution $moduleResolution, in a $type package',
  async setup => {
    const { module, moduleResolution, type, tsc } = setup
    const folder = join(dir.path, `${moduleResolution}-${type}`)
    mkdirSync(folder)
    const write = (name: string, text: string) => writeFileSync(join(folder, name), text)
    write('package.json', JSON.stringify({ type }))
    write('client.ts', CLIENT)
    write('server.ts', SERVER)
    write('backend.ts', BACKEND)
    const examples = type === 'module' ? README_EXAMPLES : []
    for (const [index, code] of examples.entries()) write(`example-${index}.ts`, code)
    const compilerOptions = {
      module,
      moduleResolution,
      target: 'es2022',
      strict: true,
      noEmit: true,
      skipDefaultLibCheck: true,
      types: ['node'],
      lib: ['es2022', 'dom'],
      ...(moduleResolution === 'node10' && { ignoreDeprecations: '6.0' }),
    }
    write('tsconfig.json', JSON.stringify({ compilerOptions, include: ['*.ts'] }))
    const { stdout } = await run(join(root, 'node_modules/.bin', tsc), ['-p', folder]).catch(error => error)
    expect(stdout).toBe('')
  },
  60_000,
)
