import { createHash } from 'node:crypto'
import type { StoredPlace } from './batch.ts'

/** The port for where the places of endpoints survive a restart. Endpoints are known by their URLs. */
export interface PlaceStore {
  /** The place that was saved last; `undefined` without one. @throws Error when it can't be read */
  load(url: string): Promise<StoredPlace | undefined>
  /** Resolves when the place survives what the adapter names. @throws Error when it can't be written */
  save(url: string, place: StoredPlace): Promise<void>
}

/** A name for an endpoint where its place is stored. Its URL may be a secret. */
export function endpointKey(url: string): string {
  return createHash('sha256').update(url).digest('hex').slice(0, 16)
}
