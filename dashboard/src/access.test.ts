import { expect, test } from 'vitest'
import { askForAccess } from './access.ts'
import { OBSERVER_ID } from './observer.ts'

const url = 'https://app.test/live-page-token'

test('a server without tokens is connected to with the user id of live pages', async () => {
  const access = await askForAccess(url, async () =>
    Response.json({ token: null, isDevelopment: true, isNode: true }),
  )
  expect(access).toEqual({
    identity: { userId: OBSERVER_ID },
    isOpen: true,
    isDevelopment: true,
    isNode: true,
  })
})

test('[D13] a server with tokens gives a new one for each connection', async () => {
  let count = 0
  const { identity, isOpen } = await askForAccess(url, async () => Response.json({ token: `t${++count}` }))
  expect(isOpen).toBe(false)
  expect(await identity.getToken?.()).toBe('t2')
  expect(await identity.getToken?.()).toBe('t3')
})

test('[D13] without an answer, the page asks again when it connects', async () => {
  let isUp = false
  const { identity } = await askForAccess(url, async () => {
    if (!isUp) throw new TypeError('fetch failed')
    return Response.json({ token: 't' })
  })
  await expect(identity.getToken?.()).rejects.toThrow('fetch failed')
  isUp = true
  expect(await identity.getToken?.()).toBe('t')
  const refused = await askForAccess(url, async () => new Response('', { status: 401 }))
  await expect(refused.identity.getToken?.()).rejects.toThrow('401')
})
