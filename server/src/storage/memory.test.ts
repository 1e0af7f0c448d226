import { createMemoryStore, type MemoryState } from './memory.ts'
import { describeStore } from './store.suite.ts'

describeStore('memory', async () => {
  const state: MemoryState = { users: new Map() }
  return {
    open: () => createMemoryStore(state),
    kill: async () => {
      state.owner = undefined
    },
  }
})
