import { usableEnd } from '../place.ts'
import type { RedisModel } from '../redis.model.ts'
import type { RedisConnection } from '../redis.ts'

/** How often a read that waits looks again, in ms. */
const LOOK_MS = 5
const BLOCK_MS = 1_000

/** A connection to a model of Redis in this process. It never fails by itself. */
export function connectModel(model: RedisModel): RedisConnection {
  return {
    async append(request) {
      try {
        return model.append(request)
      } catch (error) {
        throw Object.assign(error as Error, { name: 'ReplyError' })
      }
    },
    async read(after, count) {
      for (let waited = 0; waited < BLOCK_MS; waited += LOOK_MS) {
        const entries = model.read(after, count)
        if (entries.length > 0) return entries
        await new Promise(resolve => setTimeout(resolve, LOOK_MS))
      }
      return []
    },
    load: async () => model.load(),
    time: async () => Date.now(),
    audit: async node => ({ nodes: new Map(model.nodes), ownFacts: model.facts.get(node)?.size ?? 0 }),
    info: async () => ({
      server: 'model',
      end: usableEnd(model.end),
      version: '7.0.0',
      maxmemoryPolicy: 'noeviction',
      isReplica: false,
    }),
    probe: async () => {},
    run: () => Promise.reject(new Error('the model has no scripts')),
    closed: new Promise(() => {}),
    ignored: 0,
    close: async () => {},
  }
}
