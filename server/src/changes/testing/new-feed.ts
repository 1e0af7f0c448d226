import { MemoryFeed } from '../memory-feed.ts'

/** A change feed for a test, with the epoch `e`. A listener that throws fails the test. */
export function newFeed(recent = 1_000): MemoryFeed {
  return new MemoryFeed({
    epoch: 'e',
    recent,
    report: error => {
      throw error
    },
  })
}
