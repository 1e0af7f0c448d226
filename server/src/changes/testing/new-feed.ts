import type { Places } from '../feed.ts'
import { MemoryFeed } from '../memory-feed.ts'
import { createPlaces } from '../places.ts'

/** A change feed for a test, with the epoch `e` unless `places` are given. A listener that throws fails the test. */
export function newFeed(recent = 1_000, places: Places = createPlaces('e')): MemoryFeed {
  return new MemoryFeed({
    places,
    recent,
    report: error => {
      throw error
    },
  })
}
