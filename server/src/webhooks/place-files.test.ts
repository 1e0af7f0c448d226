import { readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { temporaryDir } from '@who-is-online/testing/start-server'
import { afterAll, expect, test } from 'vitest'
import { createPlaceFiles } from './place-files.ts'

const dir = temporaryDir()
afterAll(() => dir.remove())

test('[M3] each endpoint has a file, which survives and tells no URL', async () => {
  const urls = ['http://app/a?token=secret', 'http://app/b']
  const places = [
    { since: { epoch: 'e', seq: 7 }, batch: { id: 'msg_1-_a', seq: 9 } },
    { since: { epoch: 'f', seq: 0 } },
  ]
  for (const [index, url] of urls.entries()) {
    expect(await createPlaceFiles(dir.path).load(url)).toBeUndefined()
    await createPlaceFiles(dir.path).save(url, { since: { epoch: 'e', seq: 1 } })
    await createPlaceFiles(dir.path).save(url, places[index] as (typeof places)[0])
  }
  const loaded = await Promise.all(urls.map(url => createPlaceFiles(dir.path).load(url)))
  expect(loaded).toEqual(places)
  const names = readdirSync(dir.path)
  expect(names).toEqual([expect.stringMatching(/^webhook-\w{16}\.json$/), expect.stringMatching(/^webhook-/)])
  expect(statSync(join(dir.path, names[0] as string)).mode & 0o777).toBe(0o600)

  // A damaged file counts as none: then the endpoint gets the full state.
  for (const damaged of ['', '{', 'null', '{"since":"e"}', '{"since":"e:1:x"}', '{"since":7}']) {
    for (const name of names) writeFileSync(join(dir.path, name), damaged)
    expect(await createPlaceFiles(dir.path).load(urls[0] as string), damaged).toBeUndefined()
  }
  for (const name of names)
    writeFileSync(join(dir.path, name), '{"since":"e:1","batch":{"id":"a.b","seq":2}}')
  expect(await createPlaceFiles(dir.path).load(urls[0] as string)).toEqual({ since: { epoch: 'e', seq: 1 } })
})

test('[M3] a directory that is gone is an error', async () => {
  const places = createPlaceFiles(join(dir.path, 'gone'))
  expect(await places.load('http://app')).toBeUndefined()
  await expect(places.save('http://app', { since: { epoch: 'e', seq: 1 } })).rejects.toThrow('ENOENT')
})
