import { describe, expect, test } from 'vitest'
import type { PlaceStore } from './places.ts'

/** Where places are kept, for a test. */
export interface PlaceHolder {
  /** The store of another start. */
  open(): PlaceStore
  /** Everything that is kept, as text. */
  content(): Promise<string>
  /** Replaces what is kept of each endpoint. */
  damage(text: string): Promise<void>
}

/** What every adapter of the places does. */
export function placesSuite(fresh: () => Promise<PlaceHolder>): void {
  describe('places of webhook endpoints', () => {
    test('[M3] the place of each endpoint survives a start, and its URL is not kept', async () => {
      const holder = await fresh()
      const urls = ['http://app.example.com/a?token=secret', 'http://app.example.com/b']
      const places = [
        { since: { epoch: 'e', seq: 7 }, batch: { id: 'msg_1-_a', seq: 9 } },
        { since: { epoch: 'f', seq: 0 } },
      ] as const
      for (const [index, url] of urls.entries()) {
        const store = holder.open()
        expect(await store.load(url)).toBeUndefined()
        await store.save(url, { since: { epoch: 'e', seq: 1 } })
        await store.save(url, places[index] as (typeof places)[0])
      }
      const store = holder.open()
      expect([await store.load(urls[0] as string), await store.load(urls[1] as string)]).toEqual(places)
      expect(await holder.content()).toContain('e:7')
      expect(await holder.content()).not.toMatch(/secret|app|http/)
    })

    test('[M2] a damaged place counts as none: then the endpoint gets the full state', async () => {
      const holder = await fresh()
      const url = 'http://app/a'
      const store = holder.open()
      await store.load(url)
      await store.save(url, { since: { epoch: 'e', seq: 1 } })
      for (const damaged of ['', '{', 'null', '{"since":"e"}', '{"since":"e:1:x"}', '{"since":7}']) {
        await holder.damage(damaged)
        expect(await holder.open().load(url), damaged).toBeUndefined()
      }
      await holder.damage('{"since":"e:1","batch":{"id":"a.b","seq":2}}')
      expect(await holder.open().load(url)).toEqual({ since: { epoch: 'e', seq: 1 } })
    })
  })
}
