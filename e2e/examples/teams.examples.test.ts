import { useServer } from '@who-is-online/testing/use-server'
import { beforeAll, describe } from 'vitest'
import { browserTest } from '../browser/stage.ts'
import { install, runScript, serve } from './example.ts'
import { logIn, logOut, openPage } from './team-page.ts'

// The examples in Vue and Svelte have the same page.

describe.each(['vue', 'svelte'])('%s', name => {
  // Nobody waits for this grace period.
  const server = useServer({ OFFLINE_GRACE_MS: 600_000 })

  beforeAll(async () => {
    await install(name)
    await runScript(name, 'build', { VITE_PRESENCE_URL: server.url })
  }, 240_000)

  browserTest(
    'the production build shows logins, statuses and logouts at once',
    { timeout: 120_000 },
    async () => {
      const origin = await serve(name, 'preview --port 0')
      const [ann, bob] = [await openPage(origin), await openPage(origin)]
      await logIn(ann, 'ann')
      // Few changes: a user's tenth within seconds has to wait for the rate limit.
      for (let n = 0; n < 2; n++) {
        await logIn(bob, 'bob')
        await ann.getByTitle('bob: online').waitFor()
        if (n === 1) {
          await bob.getByLabel('My status').selectOption('busy')
          await ann.getByTitle('bob: busy').waitFor()
        }
        await logOut(bob)
        await ann.getByTitle('bob: offline').waitFor()
      }
      await logIn(bob, 'cem')
      if (name === 'svelte') await ann.getByText('2 online').waitFor()
      await ann.getByTitle('cem: online').waitFor()
      await ann.getByTitle('bob: offline').waitFor()
      for (const page of [ann, bob]) await logOut(page)
    },
  )
})
