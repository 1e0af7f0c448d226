import { Records } from './records.ts'
import type { Store } from './store.ts'

/** Creates a store that keeps nothing, for a node of a cluster: Redis and the other nodes keep the users. */
export function createNoStore(): Store {
  return {
    load: async () => new Records(),
    start: async () => {},
    put: () => {},
    delete: () => {},
    recordAlive: () => {},
    logGrown: () => {},
    flush: async () => {},
    save: async () => {},
    purge: async () => {},
    health: () => ({ state: 'ok' }),
    close: async () => {},
  }
}
