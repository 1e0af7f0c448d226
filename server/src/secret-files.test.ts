import { expect, test } from 'vitest'
import { secretFileNames, withSecretFiles } from './secret-files.ts'

const read = (path: string) => {
  if (path === '/run/secrets/jwt') return 'from the file\n'
  if (path === '/empty') return ' \n'
  throw new Error(`ENOENT: no such file or directory, open '${path}'`)
}

test('[S10] each secret setting can be in a file', () => {
  expect(secretFileNames).toEqual([
    'AUTH_SECRET_FILE',
    'API_KEY_FILE',
    'API_KEYS_FILE',
    'WEBHOOK_SECRET_FILE',
    'REDIS_URL_FILE',
  ])
  expect(
    withSecretFiles({ AUTH_SECRET_FILE: '/run/secrets/jwt', PORT: '1', API_KEY_FILE: '' }, read),
  ).toEqual({
    texts: { AUTH_SECRET: 'from the file', PORT: '1', API_KEY_FILE: '' },
    problems: [],
  })
})

test('[S10] a file that can not be used is named, and its content is not', () => {
  const problems = (texts: Record<string, string>) => withSecretFiles(texts, read).problems
  expect(problems({ AUTH_SECRET_FILE: '/missing' })).toEqual([
    expect.stringMatching(/^AUTH_SECRET_FILE must name a file that this user may read: ENOENT.*\/missing/),
  ])
  expect(problems({ API_KEY_FILE: '/empty' })).toEqual([
    'API_KEY_FILE must name a file with a secret; /empty is empty',
  ])
  expect(problems({ API_KEY_FILE: '/run/secrets/jwt', API_KEY: 'x' })).toEqual([
    'API_KEY and API_KEY_FILE must not both be set',
  ])
})
