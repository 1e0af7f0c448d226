import type { Places } from './feed.ts'

/** Creates the places of a single server: one sequence of numbers, which ends with the process. */
export function createPlaces(epoch: string): Places {
  return { epoch, recalls: place => place.epoch === epoch }
}
