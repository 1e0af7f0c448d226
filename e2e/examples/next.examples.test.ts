import { useServer } from '@who-is-online/testing/use-server'
import { beforeAll, expect } from 'vitest'
import { browserTest } from '../browser/stage.ts'
import { install, runScript, serve } from './example.ts'
import { logIn, logOut, openPage } from './team-page.ts'

const SECRET = 'the-secret-that-signs-tokens-is-long-enough'
const ENVIRONMENT = { NEXT_TELEMETRY_DISABLED: '1', PRESENCE_SECRET: SECRET }

// Nobody waits for this grace period.
const server = useServer({ AUTH_SECRET: SECRET, OFFLINE_GRACE_MS: 600_000 })

beforeAll(async () => {
  await install('next')
  await runScript('next', 'build', ENVIRONMENT)
}, 300_000)

browserTest(
  'the production build renders on the server, and shows logins and logouts at once',
  { timeout: 120_000 },
  async () => {
    const origin = await serve('next', 'serve --hostname 127.0.0.1 --port 0', {
      ...ENVIRONMENT,
      PRESENCE_URL: server.url,
    })
    expect(await (await fetch(origin)).text()).toContain('title="ann: unknown"')
    expect((await fetch(`${origin}/presence-token`)).status).toBe(401)
    const [ann, bob] = [await openPage(origin), await openPage(origin)]
    await logIn(ann, 'ann')
    for (let n = 0; n < 3; n++) {
      await logIn(bob, 'bob')
      await ann.getByTitle('bob: online').waitFor()
      await logOut(bob)
      await bob.getByTitle('bob: unknown').waitFor()
      await ann.getByTitle('bob: offline').waitFor()
    }
  },
)
