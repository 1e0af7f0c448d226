import { createMemoryStore, type MemoryState } from './memory.ts'
import { describeStore } from './store.suite.ts'

describeStore('memory', async () => {
  const place: MemoryState = { users: new Map() }
  return {
    open: () => createMemoryStore(place),
    kill: async () => {
      place.owner = undefined
    },
  }
})
