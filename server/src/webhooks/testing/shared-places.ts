import { decodePlace, encodePlace } from '../batch.ts'
import type { PlaceStore } from '../places.ts'

/** The places that the nodes of a cluster share, as `createRedisPlaces` keeps them in Redis. */
export class SharedPlaces {
  readonly rows = new Map<string, string>()
  #owner = 0
  #owners = 0

  /** The places for a turn. */
  open(): PlaceStore {
    const owner = ++this.#owners
    return {
      load: async url => {
        this.#owner = owner
        return decodePlace(this.rows.get(url) ?? '')
      },
      save: async (url, place) => {
        if (owner !== this.#owner) throw new Error('another node delivers now')
        this.rows.set(url, encodePlace(place))
      },
    }
  }
}
