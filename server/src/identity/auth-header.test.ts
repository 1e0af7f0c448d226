import { expect, test } from 'vitest'
import { newIdentity } from './testing/new-identity.ts'

const { identify } = newIdentity({ AUTH_HEADER: 'X-Forwarded-User', TRUST_PROXY: '10.0.0.0/8' })

const ask = (rawHeaders: string[], isFromProxy = true) => identify({ rawHeaders, isFromProxy })

test('[D11] the header of a trusted proxy names the user', async () => {
  expect(await ask(['Host', 'a', 'x-forwarded-USER', 'ann'])).toMatchObject({
    state: 'known',
    grant: { userId: 'ann', isNameFixed: false, rights: { watch: 'named', rooms: [], observer: false } },
  })
  const latin1 = Buffer.from('Jörg').toString('latin1')
  expect(await ask(['X-Forwarded-User', latin1])).toMatchObject({ grant: { userId: 'Jörg' } })
})

test.each<[string, string[], boolean]>([
  ['from another peer', ['X-Forwarded-User', 'ann'], false],
  ['that is missing', ['X-Forwarded-Users', 'ann'], true],
  ['that occurs twice', ['X-Forwarded-User', 'ann', 'x-forwarded-user', 'bob'], true],
  ['that is empty', ['X-Forwarded-User', ''], true],
  ['that is too long', ['X-Forwarded-User', 'x'.repeat(129)], true],
  ['that is not UTF-8', ['X-Forwarded-User', 'J\u00f6rg'], true],
])('[D11] a header %s names nobody', async (_what, rawHeaders, isFromProxy) => {
  expect(await ask(rawHeaders, isFromProxy)).toMatchObject({ state: 'refused' })
})

test('[D17] a server that checks no tokens itself refuses to renew one, and says to connect again', async () => {
  const url = newIdentity({ AUTH_URL: 'https://app.example.com/user' })
  const header = newIdentity({ AUTH_HEADER: 'X-Forwarded-User', TRUST_PROXY: '10.0.0.0/8' })
  for (const { identity } of [url, header]) {
    const renewed = await identity.renew('a.b.c')
    const text = expect.stringContaining('close this connection and connect again')
    expect(renewed).toEqual({ state: 'refused', rule: 'application', text })
  }
})
