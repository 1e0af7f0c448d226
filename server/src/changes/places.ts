import type { Places } from './feed.ts'
import type { LostNumbers } from './stored-log.ts'

/** Creates the places of a single server: one sequence of numbers, in which some may be lost. */
export function createPlaces(epoch: string, lost: readonly LostNumbers[] = []): Places {
  return {
    epoch,
    recalls: place =>
      place.epoch === epoch && !lost.some(({ after, before }) => place.seq > after && place.seq < before),
  }
}
