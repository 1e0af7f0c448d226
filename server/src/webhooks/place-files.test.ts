import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { temporaryDir } from '@who-is-online/testing/start-server'
import { expect, onTestFinished, test } from 'vitest'
import { createPlaceFiles } from './place-files.ts'
import { placesSuite } from './places.suite.ts'

function newDir(): string {
  const dir = temporaryDir()
  onTestFinished(() => dir.remove())
  return dir.path
}

placesSuite(async () => {
  const dir = newDir()
  const files = () => readdirSync(dir).map(name => join(dir, name))
  return {
    open: () => createPlaceFiles(dir),
    content: async () => files().join() + files().map(path => readFileSync(path, 'utf8')),
    async damage(text) {
      for (const path of files()) writeFileSync(path, text)
    },
  }
})

test('[M3] each endpoint has a file, which only its owner can read', async () => {
  const dir = newDir()
  for (const url of ['http://app/a', 'http://app/b']) {
    await createPlaceFiles(dir).save(url, { since: { epoch: 'e', seq: 1 } })
  }
  const names = readdirSync(dir)
  expect(names).toEqual([expect.stringMatching(/^webhook-\w{16}\.json$/), expect.stringMatching(/^webhook-/)])
  expect(statSync(join(dir, names[0] as string)).mode & 0o777).toBe(0o600)
})

test('[M3] a directory that is gone is an error', async () => {
  const places = createPlaceFiles(join(newDir(), 'gone'))
  expect(await places.load('http://app')).toBeUndefined()
  await expect(places.save('http://app', { since: { epoch: 'e', seq: 1 } })).rejects.toThrow('ENOENT')
})
