import { execFile } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { gzipSync } from 'node:zlib'
import { temporaryDir } from '@who-is-online/testing/start-server'
import { build, type Rolldown } from 'vite'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { packClient } from './pack.ts'

// What a bundler makes of the packed client.

/** Maximum size of the core, minified and gzipped. */
const CORE_BYTES = 6_700

const dir = temporaryDir()
const installed = join(dir.path, 'node_modules/@who-is-online/client')

beforeAll(async () => {
  const tarball = await packClient(dir.path)
  mkdirSync(installed, { recursive: true })
  await promisify(execFile)('tar', ['-xzf', tarball, '--strip-components=1', '-C', installed])
  write('package.json', JSON.stringify({ name: 'stranger', private: true, type: 'module' }))
}, 60_000)

afterAll(dir.remove)

function write(name: string, text: string): void {
  writeFileSync(join(dir.path, name), text)
}

/** Bundles a module in the directory. */
async function bundle(text: string, conditions: readonly string[] = []): Promise<string> {
  write('entry.js', text)
  const { output } = (await build({
    root: dir.path,
    configFile: false,
    logLevel: 'error',
    ...(conditions.length > 0 && { resolve: { conditions: [...conditions] } }),
    build: {
      write: false,
      minify: true,
      modulePreload: { polyfill: false },
      rolldownOptions: { input: 'entry.js', external: /^(react|vue)$/, preserveEntrySignatures: 'strict' },
    },
  })) as Rolldown.RolldownOutput
  expect(output).toHaveLength(1)
  return output[0].code
}

test('a bundler includes the core and the hooks, but nothing unused', async () => {
  const core = await bundle("export { createClient } from '@who-is-online/client'")
  expect(core).not.toMatch(/\bimport\b/)
  const hooks = await bundle("export { useUserStatus } from '@who-is-online/client/react'")
  expect([...hooks.matchAll(/from\s*["'`]([^"'`]+)/g)].map(([, name]) => name)).toEqual(['react'])
  expect(hooks).not.toMatch(/who-is-online\.v2/)
  expect(await bundle("import '@who-is-online/client'")).toBe('')
})

test('the core is small', async () => {
  const core = await bundle("export { createClient } from '@who-is-online/client'")
  expect(gzipSync(core, { level: 9 }).length).toBeLessThan(CORE_BYTES)
})

test.each(['worker', 'workerd', 'react-server', 'react-native'])(
  'the core is bundled under the condition %s',
  async condition => {
    const core = await bundle("export { createClient } from '@who-is-online/client'", [condition])
    expect(core).not.toMatch(/\bimport\b|\brequire\(/)
  },
)
