import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { temporaryDir } from '@who-is-online/testing/start-server'
import { cruise, type ICruiseResult } from 'dependency-cruiser'
import { expect, test } from 'vitest'
import config from '../.dependency-cruiser.mjs'

const FOLDERS = ['protocol', 'server', 'client', 'node', 'dashboard']

async function check(baseDir: string): Promise<ICruiseResult> {
  const { forbidden = [], options } = config
  const { tsConfig: _, ...others } = options ?? {}
  const { output } = await cruise(FOLDERS, { ...others, baseDir, validate: true, ruleSet: { forbidden } })
  return output as ICruiseResult
}

test('[X1] all files follow the import rules, and all files were checked', async () => {
  const { summary } = await check(process.cwd())
  expect(summary.violations.map(({ from, to, rule }) => `${rule.name}: ${from} -> ${to}`)).toEqual([])
  expect(summary.totalCruised).toBeGreaterThan(50)
  expect(summary.totalDependenciesCruised).toBeGreaterThan(150)
})

test.each([
  ['no-cycles', 'server/src/a.ts', 'server/src/b.ts'],
  ['protocol-imports-nothing-of-ours', 'protocol/src/a.ts', 'server/src/b.ts'],
  ['presence-is-pure', 'server/src/presence/a.ts', 'node:fs'],
  ['presence-is-pure', 'server/src/presence/a.ts', 'server/src/log.ts'],
  ['tracker-imports-ports', 'server/src/tracker.ts', 'server/src/gateway/hub.ts'],
  ['tracker-imports-ports', 'server/src/tracker.ts', 'server/src/storage/json-file.ts'],
  ['changes-import-presence', 'server/src/changes/a.ts', 'server/src/storage/json-file.ts'],
  ['cluster-imports-presence', 'server/src/cluster/member.ts', 'server/src/time/clock.ts'],
  ['time-imports-nothing-of-ours', 'server/src/time/clock.ts', 'server/src/log.ts'],
  ['adapters-do-not-import-each-other', 'server/src/gateway/a.ts', 'server/src/storage/json-file.ts'],
  ['fanout-does-not-import-transports', 'server/src/fanout/hub.ts', 'server/src/gateway/frames.ts'],
  ['folders-do-not-import-the-top', 'server/src/http/a.ts', 'server/src/server.ts'],
  ['folders-do-not-import-the-top', 'server/src/identity/a.ts', 'server/src/embedding/create-presence.ts'],
  ['folders-do-not-import-the-top', 'server/src/webhooks/a.ts', 'server/src/core.ts'],
  ['only-the-top-imports-adapters', 'server/src/metrics.ts', 'server/src/storage/json-file.ts'],
  ['only-the-top-imports-adapters', 'server/src/metrics.ts', 'server/src/cluster/node.ts'],
  ['client-imports-nothing-of-ours', 'client/src/a.ts', 'protocol/src/decode.ts'],
  ['client-imports-nothing-of-ours', 'client/src/a.ts', 'protocol/src/close-codes.ts'],
  ['client-imports-nothing-of-ours', 'client/src/a.ts', 'server/src/log.ts'],
  ['node-imports-nothing-of-ours', 'node/src/a.ts', 'protocol/src/api.ts'],
  ['node-imports-nothing-of-ours', 'node/src/a.ts', 'client/src/ids.ts'],
  ['dashboard-imports-only-the-client', 'dashboard/src/a.ts', 'protocol/src/words.ts'],
  ['product-does-not-import-tests', 'server/src/a.ts', 'server/src/b.test.ts'],
  ['product-does-not-import-tests', 'server/src/a.ts', 'server/src/storage/b.suite.ts'],
  ['product-does-not-import-tests', 'server/src/a.ts', 'server/src/storage/testing/b.ts'],
  ['product-does-not-import-tests', 'client/src/a.ts', 'client/src/b.fake.ts'],
  ['product-does-not-import-tests', 'client/src/a.ts', 'client/src/b.model.ts'],
])('[X2] %s detects that %s imports %s', async (rule, from, to) => {
  const dir = temporaryDir()
  const write = (path: string, text: string) => {
    mkdirSync(dirname(join(dir.path, path)), { recursive: true })
    writeFileSync(join(dir.path, path), text)
  }
  const specifier = (of: string, target: string) =>
    target.startsWith('node:') ? target : `${'../'.repeat(of.split('/').length - 1)}${target}`
  for (const folder of FOLDERS) mkdirSync(join(dir.path, folder))
  write(from, `import '${specifier(from, to)}'\n`)
  if (!to.startsWith('node:'))
    write(to, rule === 'no-cycles' ? `import '${specifier(to, from)}'\n` : 'export {}\n')
  const { summary } = await check(dir.path)
  expect(summary.violations.map(violation => violation.rule.name)).toContain(rule)
  dir.remove()
})
