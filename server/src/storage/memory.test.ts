import { createMemoryStore, type MemoryPlace } from './memory.ts'
import { describeStore } from './store.suite.ts'

describeStore('memory', async () => {
  const place: MemoryPlace = { users: new Map() }
  return {
    open: () => createMemoryStore(place),
    kill: async () => {
      place.owner = undefined
    },
  }
})
