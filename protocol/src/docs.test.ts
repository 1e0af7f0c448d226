import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { asyncApi } from './asyncapi.ts'
import { closeTable, errorTable, messageTables, userTable } from './tables.ts'

// What is generated from the catalogue is in the docs. `pnpm generate` writes it.

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')

test('[P9] docs/asyncapi.json is the AsyncAPI document of the catalogue', () => {
  const { version } = JSON.parse(read('server/package.json'))
  expect(JSON.parse(JSON.stringify(asyncApi(version)))).toEqual(JSON.parse(read('docs/asyncapi.json')))
})

test('the pages of the protocol have the tables of the catalogue', () => {
  expect(read('docs/protocol-v1.md')).toContain(`\n\n${messageTables('v1')}\n\n`)
  const v2 = read('docs/protocol-v2.md')
  for (const table of [messageTables('v2'), userTable(), closeTable(), errorTable()])
    expect(v2).toContain(`\n\n${table}\n\n`)
})
