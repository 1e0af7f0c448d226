import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { exampleErrors } from './example-errors.ts'

// Each example of the README is compiled against the types of the package, so that it uses what exists, as it is.

const root = join(import.meta.dirname, '../node')
const examples = [...readFileSync(join(root, 'README.md'), 'utf8').matchAll(/```ts\n(.*?)```/gs)].map(
  ([, code = '']) => code,
)

const errorsIn = (code: string) => exampleErrors(root, code, { extension: 'ts', options: { strict: true } })

test.each(examples.map((code, index) => ({ index, code })))('example $index compiles', ({ code }) => {
  expect(errorsIn(code)).toEqual([])
})

test('there are examples, and one that uses something else does not compile', () => {
  expect(examples.length).toBeGreaterThan(4)
  const client =
    "import { createApiClient } from '@who-is-online/node'\nconst presence = createApiClient({ url: '' })\n"
  expect(errorsIn(`${client}await presence.getUser('ann')`)).toEqual([])
  expect(errorsIn(`${client}await presence.getUsers('ann')`)).toHaveLength(1)
  expect(errorsIn(`${client}await presence.setStatus('ann', { status: 'asleep' })`)).toHaveLength(1)
})
