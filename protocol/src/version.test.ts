import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { catalogue, type Dialect } from './catalogue.ts'
import { PROTOCOL } from './version.ts'

test.each(['v1', 'v2'] as const)(
  '[P10] the version of %s stands for these schemas and no others',
  dialect => {
    const said = `raise the version of ${dialect} in version.ts, and pin the hash of the new schemas`
    expect(hash(dialect), said).toBe(PROTOCOL[dialect].schemas)
  },
)

function hash(dialect: Dialect): string {
  const { requests, messages } = catalogue[dialect]
  const schemas = Object.entries({ ...requests, ...messages }).map(([type, { schema }]) => [type, schema])
  return createHash('sha256').update(JSON.stringify(schemas)).digest('hex')
}
