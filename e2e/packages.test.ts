import { execFile } from 'node:child_process'
import { mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { gzipSync } from 'node:zlib'
import { useServer } from '@who-is-online/testing/use-server'
import { build, type Rolldown } from 'vite'
import { beforeAll, expect, test } from 'vitest'

// The published package as a user gets it: packed, installed into an empty directory, and run, bundled and
// type-checked there.

/** Maximum size of the core, minified and gzipped. */
const CORE_BYTES = 6_000

const run = promisify(execFile)
const root = fileURLToPath(new URL('..', import.meta.url))
const client = join(root, 'client')
const server = useServer()
const folder = join(server.dir, 'stranger')
const installed = join(folder, 'node_modules/@who-is-online/client')
/** The PATH without the programs of this workspace. */
const outside = (process.env['PATH'] ?? '')
  .split(delimiter)
  .filter(path => !path.includes('node_modules'))
  .join(delimiter)
let tarball = ''

beforeAll(async () => {
  mkdirSync(folder)
  // The package was built before the tests. `pnpm check:packages` builds and packs.
  const packed = await run('pnpm', ['pack', '--json', '--pack-destination', server.dir], {
    cwd: client,
    env: { ...process.env, npm_config_ignore_scripts: 'true' },
  })
  const { filename } = JSON.parse(packed.stdout.slice(packed.stdout.indexOf('{')))
  tarball = filename
  write('package.json', JSON.stringify({ name: 'stranger', private: true, type: 'module' }))
  await run('npm', ['install', '--offline', '--no-audit', '--no-fund', tarball], {
    cwd: folder,
    env: { ...process.env, PATH: outside },
  })
  const require = createRequire(join(client, 'package.json'))
  for (const name of ['ws', 'react', '@types/react']) {
    mkdirSync(dirname(join(folder, 'node_modules', name)), { recursive: true })
    symlinkSync(
      dirname(require.resolve(`${name}/package.json`)),
      join(folder, 'node_modules', name),
      'junction',
    )
  }
}, 60_000)

function write(name: string, text: string): void {
  writeFileSync(join(folder, name), text)
}

/** The installed Node, if the package supports its version; otherwise the current one. */
async function ownNode(): Promise<string> {
  const env = { ...process.env, PATH: outside }
  const version = await run('node', ['-p', 'process.versions.node + " " + process.execPath'], { env }).catch(
    () => undefined,
  )
  const [, major, minor, path] = /^(\d+)\.(\d+)\.\d+ (.*)\n$/.exec(version?.stdout ?? '') ?? []
  const isNewEnough = Number(major) > 20 || (Number(major) === 20 && Number(minor) >= 19)
  return path && isNewEnough ? path : process.execPath
}

test('has no dependencies, and contains no tests or tools', async () => {
  const { dependencies } = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8'))
  expect(dependencies).toBeUndefined()
  for (const name of [
    'README.md',
    'LICENSE',
    'dist/index.js',
    'dist/react.d.ts',
    'dist/who-is-online.iife.js',
  ])
    expect(statSync(join(installed, name)).size).toBeGreaterThan(0)
  const { stdout } = await run('tar', ['-tzf', tarball])
  expect(stdout).not.toMatch(/\.(test|suite|fake|model)\.|\/testing\/|tsbuildinfo|node_modules/)
})

test('runs with the installed Node against a server', async () => {
  write(
    'run.js',
    `import { createClient } from '@who-is-online/client'
    import { WebSocket } from 'ws'
    const make = userId => createClient({ url: process.argv[2], userId, WebSocket })
    const ann = make('ann')
    await ann.setStatus('busy', { text: 'packed' })
    const bob = make('bob')
    bob.onChange(([user]) => {
      if (user.freshness === 'stale') return
      console.log(process.versions.node, user.userId, user.status, user.text)
      ann.close()
      bob.close()
    })
    bob.subscribe(['ann'])`,
  )
  const node = await ownNode()
  const { stdout } = await run(node, ['run.js', server.url], { cwd: folder, timeout: 10_000 })
  expect(stdout).toMatch(/^\d+\.\d+\.\d+ ann busy packed\n$/)
})

/** Bundles a module in the directory. */
async function bundle(text: string): Promise<string> {
  write('entry.js', text)
  const { output } = (await build({
    root: folder,
    configFile: false,
    logLevel: 'error',
    build: {
      write: false,
      minify: true,
      modulePreload: { polyfill: false },
      rolldownOptions: { input: 'entry.js', external: /^react/, preserveEntrySignatures: 'strict' },
    },
  })) as Rolldown.RolldownOutput
  expect(output).toHaveLength(1)
  return output[0].code
}

test('a bundler includes the core and the hooks, but nothing unused', async () => {
  const core = await bundle("export { createClient } from '@who-is-online/client'")
  expect(core).not.toMatch(/\bimport\b/)
  const hooks = await bundle("export { usePresence } from '@who-is-online/client/react'")
  expect([...hooks.matchAll(/from\s*["'`]([^"'`]+)/g)].map(([, name]) => name)).toEqual(['react'])
  expect(hooks).not.toMatch(/who-is-online\.v2/)
  expect(await bundle("import '@who-is-online/client'")).toBe('')
})

test('the core is small', async () => {
  const core = await bundle("export { createClient } from '@who-is-online/client'")
  expect(gzipSync(core, { level: 9 }).length).toBeLessThan(CORE_BYTES)
})

test.each([
  ['esnext', 'bundler'],
  ['nodenext', 'nodenext'],
])('the types are correct with module %s and resolution %s', async (module, moduleResolution) => {
  write(
    'consumer.ts',
    `import { createClient, PresenceError, type PresenceUser } from '@who-is-online/client'
    import { usePresence } from '@who-is-online/client/react'
    const client = createClient({ url: 'ws://localhost/ws', userId: 'me', WebSocket })
    client.onChange((users: readonly PresenceUser[]) => users.map(user => user.lastSeen?.length))
    client.onError(error => error instanceof PresenceError && error.code satisfies string)
    export const Dot = (id: string): string | undefined => usePresence(id)?.status
    // @ts-expect-error: not a status
    void client.setStatus('asleep')
    createClient({ url: 'ws://localhost/ws', renew: async () => {} })
    // @ts-expect-error: the url is missing
    createClient({ userId: 'me' })`,
  )
  const options = {
    module,
    moduleResolution,
    target: 'es2022',
    strict: true,
    noEmit: true,
    types: [],
    lib: ['es2022', 'dom'],
  }
  const name = `tsconfig.${moduleResolution}.json`
  write(name, JSON.stringify({ compilerOptions: options, files: ['consumer.ts'] }))
  const tsc = join(root, 'node_modules/.bin/tsc')
  const { stdout } = await run(tsc, ['-p', name], { cwd: folder }).catch(error => error)
  expect(stdout).toBe('')
})

test.each([
  ['publint', ['--strict']],
  ['attw', ['--profile', 'esm-only']],
])('%s finds nothing', async (tool, args) => {
  const { stdout, stderr, code } = await run(join(client, 'node_modules/.bin', tool), [tarball, ...args], {
    cwd: client,
  }).catch(error => error)
  expect(code ?? 0, `${stdout}${stderr}`).toBe(0)
})
