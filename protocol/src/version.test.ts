import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { catalogue, type ProtocolVersion } from './catalogue.ts'
import { PROTOCOL, SCHEMAS } from './version.ts'

test.each(['v1', 'v2'] as const)(
  '[P10] the pinned version of %s matches the hash of its schemas',
  version => {
    const now = hash(version)
    const todo = `the schemas of ${version} changed since ${PROTOCOL[version]}: raise PROTOCOL.${version} in protocol/src/version.ts, and set SCHEMAS.${version} to '${now}'`
    expect(now, todo).toBe(SCHEMAS[version])
  },
)

function hash(version: ProtocolVersion): string {
  const { requests, messages } = catalogue[version]
  const schemas = Object.entries({ ...requests, ...messages }).map(([type, { schema }]) => [type, schema])
  return createHash('sha256').update(JSON.stringify(schemas)).digest('hex')
}
