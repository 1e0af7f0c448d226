import { expect, test } from 'vitest'
import { readEnvFile } from '../../server/src/env-file.ts'
import { readSettings } from '../../server/src/settings.ts'
import { blocksOf, blockWith } from './guide.ts'

/** The blocks of docs/deploy.md that are settings only. */
const settings = blocksOf('sh').filter(code => /^([A-Z_]+=\S+\n)+$/.test(code))

test('the server accepts the settings of the guide in production', () => {
  expect(settings).toHaveLength(2)
  for (const block of settings) {
    const { AUTH_SECRET_FILE: file, ...texts } = readEnvFile(Buffer.from(block)).texts
    const secret = file === undefined ? {} : { AUTH_SECRET: 's'.repeat(44) }
    expect(readSettings({ ...texts, ...secret })).toMatchObject({
      HOST: '127.0.0.1',
      ENVIRONMENT: 'production',
    })
  }
})

test('the negative control: a block that does not exist, and a text that several blocks have', () => {
  expect(() => blockWith('sh', 'rm -rf /')).toThrow('not one block')
  expect(() => blockWith('sh', 'deploy')).toThrow('not one block')
})
