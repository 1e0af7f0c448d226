import type { Scripts } from '../changes/redis-stream.ts'
import { decodePlace, encodePlace } from './batch.ts'
import { endpointKey, type PlaceStore } from './places.ts'

const KEY = 'hooks'

/** Names the owner, and returns what was saved last. From now on nobody else can save. */
const LOAD_SCRIPT = `
redis.call('HSET', KEYS[1], 'owner', ARGV[1])
return redis.call('HGET', KEYS[1], ARGV[2])
`

/** Redis may have lost the owner. */
const SAVE_SCRIPT = `
local owner = redis.call('HGET', KEYS[1], 'owner')
if owner and owner ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'owner', ARGV[1], ARGV[2], ARGV[3])
return 1
`

/**
 * Keeps the places in the Redis of a cluster, in the hash `{PREFIX}:hooks`. A place that was saved survives each node.
 * Only one node can save: the one that has loaded last. So a node that was suspended, and whose work another node has
 * taken over, can't send a new batch.
 *
 * @param owner names this node and this turn: 1 to 64 letters, digits, `-` and `_`
 */
export function createRedisPlaces(scripts: Scripts, owner: string): PlaceStore {
  return {
    async load(url) {
      const text = await scripts.run(LOAD_SCRIPT, KEY, [owner, endpointKey(url)])
      return typeof text === 'string' ? decodePlace(text) : undefined
    },

    async save(url, place) {
      const args = [owner, endpointKey(url), encodePlace(place)]
      const isSaved = await scripts.run(SAVE_SCRIPT, KEY, args)
      if (isSaved !== 1) throw new Error('another node delivers the webhooks now')
    },
  }
}
