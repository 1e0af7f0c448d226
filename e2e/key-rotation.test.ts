import { sleep, TestClient } from '@who-is-online/testing/client'
import { type UsedServer, useServer } from '@who-is-online/testing/use-server'
import { afterAll, expect, test } from 'vitest'
import { Issuer } from '../server/src/identity/testing/issuer.ts'

// An issuer changes its keys while 200 users connect each second, over real WebSocket handshakes. Nobody whose token
// is valid may be refused.

const ROTATIONS = 4
/** The arrivals before and after each rotation. They come in groups, one per 100 ms. */
const ARRIVALS = 100
const GROUP = 20
const GROUP_MS = 100

// Their ports are settings of the servers, so they listen before the servers start.
const issuer = await Issuer.start()
const hasty = await Issuer.start()
afterAll(() => {
  for (const started of [issuer, hasty]) started.stop()
})

const server = useServer({ AUTH_JWKS_URL: issuer.jwksUrl, AUTH_AUDIENCE: 'presence' })
const otherServer = useServer({ AUTH_JWKS_URL: hasty.jwksUrl, AUTH_AUDIENCE: 'presence' })

let users = 0
const newToken = (from: Issuer): Promise<string> => from.sign(Date.now(), { sub: `user ${users++}` })
const newTokens = (from: Issuer, count: number): Promise<string[]> =>
  Promise.all(Array.from({ length: count }, () => newToken(from)))

/** Connects and disconnects. Returns `welcome`, or why the client was not connected. */
async function connect({ url }: UsedServer, token: string): Promise<string> {
  try {
    const client = await TestClient.open(url, { protocols: [`bearer.${token}`, 'who-is-online.v2'] })
    const { type, code } = JSON.parse(await client.text())
    await client.leave()
    return code ?? type
  } catch (error) {
    return (error as Error).message
  }
}

/** How often each result occurred. */
function counted(results: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const result of results) counts[result] = (counts[result] ?? 0) + 1
  return counts
}

test('[D9] keys that rotate while 200 users connect each second: no valid token is refused', async () => {
  issuer.travelMs = 100
  const results: string[] = []
  const arrive = async (tokens: readonly string[]): Promise<Promise<string>[]> => {
    const arrivals: Promise<string>[] = []
    for (let at = 0; at < tokens.length; at += GROUP) {
      arrivals.push(...tokens.slice(at, at + GROUP).map(token => connect(server, token)))
      await sleep(GROUP_MS)
    }
    return arrivals
  }
  for (let rotation = 0; rotation < ROTATIONS; rotation++) {
    const before = await newTokens(issuer, ARRIVALS)
    // Clients keep a token for some minutes, so older keys must remain valid after a rotation.
    const kept = await newTokens(issuer, ARRIVALS / 2)
    const arrivals = await arrive(before)
    await issuer.addKey()
    const fetches = issuer.requests.length
    arrivals.push(connect(server, await newToken(issuer)))
    await expect.poll(() => issuer.requests.length, { interval: 5 }).toBeGreaterThan(fetches)
    // The keys that are under way do not contain this one. The tokens that it signs arrive before those keys.
    await issuer.addKey()
    const newer = await newTokens(issuer, ARRIVALS / 2)
    arrivals.push(...(await arrive(newer.flatMap((token, at) => [token, kept[at] as string]))))
    results.push(...(await Promise.all(arrivals)))
    issuer.revokeOlderKeys()
  }
  expect(counted(results)).toEqual({ welcome: ROTATIONS * (2 * ARRIVALS + 1) })
  // One fetch for the first token, and one for each new key.
  expect(issuer.requests).toHaveLength(1 + 2 * ROTATIONS)
})

test('[D9] the negative control: an issuer that revokes the older key at once gets its tokens refused', async () => {
  const kept = await newTokens(hasty, GROUP)
  expect(await connect(otherServer, kept[0] as string)).toBe('welcome')
  await hasty.addKey()
  hasty.revokeOlderKeys()
  expect(await connect(otherServer, await newToken(hasty))).toBe('welcome')
  const { welcome, ...refusals } = counted(await Promise.all(kept.map(token => connect(otherServer, token))))
  expect(welcome).toBeUndefined()
  expect(Object.keys(refusals)).toContain('bad_token')
})
