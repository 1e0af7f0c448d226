import { expect, test } from 'vitest'
import { readSettings } from '../settings.ts'
import { Issuer } from './testing/issuer.ts'
import { NOW, newIdentity } from './testing/new-identity.ts'
import { runTokenCommand } from './token-command.ts'

const SECRET = 'a secret of your own backend: 32 bytes'
const AUTH = { AUTH_SECRET: SECRET, AUTH_AUDIENCE: 'presence' }

const run = (args: string[], texts: Record<string, string> = AUTH, now = NOW) =>
  runTokenCommand(args, readSettings({ ENVIRONMENT: 'development', ...texts }), {
    now: () => now,
    steady: () => 0,
  })

test('[S11] a token that the command makes is accepted, with its rights and until its end', async () => {
  const flags = ['--user', 'ann', '--name', 'Ann', '--ttl', '15m', '--watch', 'bob,cid', '--rooms', 'doc-*']
  const { text, end } = await run([...flags, '--observer'])
  expect(end).toBe('done')
  const { bearer } = newIdentity(AUTH)
  expect(await bearer(text)).toEqual({
    state: 'known',
    grant: {
      userId: 'ann',
      username: 'Ann',
      isNameFixed: true,
      expiresAt: NOW + 900_000,
      rights: { watch: new Set(['bob', 'cid']), rooms: ['doc-*'], observer: true },
    },
  })
  const plain = await run(['--user', 'ann'])
  expect(await bearer(plain.text)).toMatchObject({
    grant: { expiresAt: NOW + 3_600_000, rights: { watch: 'named' } },
  })
})

test.each<[string[], RegExp]>([
  [[], /^--user is missing\n\nwho-is-online token --user/],
  [['--user', ''], /^--user must be/],
  [['--user', 'ann', '--ttl', '1'], /^--ttl must be/],
  [['--user', 'ann', '--ttl', '0s'], /^--ttl must be/],
  [['--user', 'ann', '--rooms', '*a'], /^"rooms" must be/],
  [['--usr', 'ann'], /--usr/],
])('[S11] wrong flags are named: %j', async (args, text) => {
  expect(await run(args)).toMatchObject({ end: 'usage', text: expect.stringMatching(text) })
})

test('[S11] without a secret, or without any key, the command names the setting', async () => {
  expect(await run(['--user', 'ann'], {})).toMatchObject({
    end: 'config',
    text: expect.stringMatching(/^AUTH_SECRET must be set/),
  })
  expect(await run(['--check', 'x'], {})).toMatchObject({ end: 'config' })
})

test('[S11] --check prints each rule, and which ones are broken', async () => {
  const { text: token } = await run(['--user', 'ann'])
  const check = async (given: string, texts: Record<string, string> = AUTH, now = NOW) => {
    const { text, end } = await run(['--check', given], texts, now)
    expect(end).toBe(text.includes('WRONG') ? 'failed' : 'done')
    expect(text.split('\n').at(-1)).toBe(`the token is ${text.includes('WRONG') ? 'refused' : 'accepted'}`)
    return text.split('\n').flatMap(line => /^WRONG {2}(\w+):/.exec(line)?.[1] ?? [])
  }
  expect(await check(token)).toEqual([])
  expect(await check(token, AUTH, NOW + 7_200_000)).toEqual(['time'])
  expect(await check(token, { ...AUTH, AUTH_AUDIENCE: 'web' })).toEqual(['audience'])
  expect(await check(token, { ...AUTH, AUTH_USER_CLAIM: 'email', AUTH_SECRET: `other ${SECRET}` })).toEqual([
    'key',
    'claim',
  ])
  expect(await check(token.slice(0, -50))).toEqual(['format'])
  expect(await check('x'.repeat(9_000))).toEqual(['size'])
})

test('[S11] --check fetches the keys of the issuer, and says why it could not', async () => {
  const issuer = await Issuer.start()
  const texts = { AUTH_ISSUER: issuer.url, AUTH_AUDIENCE: 'presence' }
  const signed = await issuer.sign(NOW)
  expect(await run(['--check', signed], texts)).toMatchObject({ end: 'done' })
  expect(await run(['--check', await issuer.sign(NOW, { iss: 'https://evil.test' })], texts)).toMatchObject({
    end: 'failed',
    text: expect.stringMatching(/WRONG {2}issuer.*\nWRONG {2}key: not checked/),
  })
  issuer.behaviour = 'error'
  expect(await run(['--check', signed], texts)).toMatchObject({
    end: 'failed',
    text: expect.stringMatching(/could not be fetched: .*: status 500/),
  })
  issuer.stop()
})
