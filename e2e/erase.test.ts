import { join } from 'node:path'
import { TestClient } from '@who-is-online/testing/client'
import { filesBelow } from '@who-is-online/testing/files-below'
import { startServer, temporaryDir } from '@who-is-online/testing/start-server'
import { expect, test } from 'vitest'

/** What is left of a person on a real disk. */

const ERASED = 'erased-person'
const NAME = 'Erika Erased'

/** The files below a directory that contain a text. */
const filesWith = (directory: string, text: string): string[] =>
  filesBelow(directory).flatMap(({ name, content }) => (content.includes(text) ? [name] : []))

test('[E20] an erased person is in no file of the data directory, and readers learn that the user is gone', async () => {
  const dir = temporaryDir()
  const server = await startServer(dir.path, { SAVE_EVERY_MS: 1_000 })
  const data = join(dir.path, 'data')
  const api = (path: string, init?: RequestInit) => fetch(`${server.origin}/api/v1${path}`, init)
  const watcher = await TestClient.v2(server, 'watcher')
  await watcher.ask({ type: 'subscribe', userIds: [ERASED] }, 'presence_state')
  const person = await TestClient.v2(server, ERASED)
  await person.ask({ type: 'identify', username: NAME }, 'ack')
  await person.ask({ type: 'set_status', status: 'busy', text: 'a secret' }, 'status_updated')
  // In the main file, the backup, the journal and the log of changes.
  await expect.poll(() => filesWith(data, ERASED).length, { timeout: 10_000 }).toBeGreaterThan(2)
  const place = (await (await api('/changes')).json()) as { epoch: string; seq: number }

  const erased = await api(`/users/${ERASED}`, { method: 'DELETE' })
  expect(erased.status).toBe(204)
  expect((await person.closed).code).toBe(4403)
  for (const text of [ERASED, NAME, 'a secret']) expect(filesWith(data, text)).toEqual([])

  await expect
    .poll(async () => (await watcher.next('presence_diff'))['users'])
    .toEqual([{ userId: ERASED, status: 'offline', lastSeen: null }])
  const { changes } = (await (await api(`/changes?since=${place.epoch}:${place.seq}`)).json()) as {
    changes: object[]
  }
  expect(changes).toMatchObject([{ userId: ERASED, status: 'offline', cause: 'kicked' }])
  expect(await (await api(`/users/${ERASED}`)).json()).toEqual({
    userId: ERASED,
    status: 'offline',
    lastSeen: null,
  })
  // A later save does not bring anything back, and neither does a restart.
  await watcher.ask({ type: 'set_status', status: 'away' }, 'status_updated')
  await server.end('SIGTERM')
  expect(filesWith(data, ERASED)).toEqual([])
  dir.remove()
})
