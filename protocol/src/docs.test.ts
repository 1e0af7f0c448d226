import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { apiErrorTable, callTable, parameterTable } from './api-tables.ts'
import { asyncApi } from './asyncapi.ts'
import { openApi } from './openapi.ts'
import { closeTable, errorTable, messageTables, userTable } from './tables.ts'

// What is generated from the catalogue is in the docs. `pnpm generate` writes it.

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')

test('[P9] docs/asyncapi.json is the AsyncAPI document of the catalogue', () => {
  const { version } = JSON.parse(read('server/package.json'))
  const isSame = JSON.stringify(asyncApi(version)) === JSON.stringify(JSON.parse(read('docs/asyncapi.json')))
  expect(isSame, 'docs/asyncapi.json is outdated: run "pnpm generate"').toBe(true)
})

test('[E2] docs/openapi.json is the OpenAPI document of the catalogue', () => {
  const { version } = JSON.parse(read('server/package.json'))
  const isSame = JSON.stringify(openApi(version)) === JSON.stringify(JSON.parse(read('docs/openapi.json')))
  expect(isSame, 'docs/openapi.json is outdated: run "pnpm generate"').toBe(true)
})

test('the pages of the protocol have the tables of the catalogue', () => {
  const tables = [messageTables('v2'), userTable(), closeTable(), errorTable()]
  for (const [page, contents] of [
    ['docs/protocol-v1.md', [messageTables('v1')]],
    ['docs/protocol-v2.md', tables],
    ['docs/http-api.md', [callTable(), parameterTable(), apiErrorTable()]],
  ] as const) {
    const text = read(page)
    const isCurrent = contents.every(table => text.includes(`\n\n${table}\n\n`))
    expect(isCurrent, `${page} is outdated: run "pnpm generate"`).toBe(true)
  }
})
