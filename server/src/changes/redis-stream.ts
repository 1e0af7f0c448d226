import type { ChangeStream, StoreRequest, StreamEntry } from './change-stream.ts'
import type { Place } from './feed.ts'

/** Runs scripts in the Redis of a cluster. */
export interface Scripts {
  /**
   * Runs a script with one key, whose name follows the prefix of the cluster. Rejects in bounded time. Then it may have
   * been executed.
   */
  run(script: string, key: string, args: readonly string[]): Promise<unknown>
}

const KEY = 'changes'

/** The end of the stream, also if the last entries were trimmed. */
const END = `
local function endOf(stream)
  local info = redis.pcall('XINFO', 'STREAM', stream)
  local last, entry = '0-0', nil
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then last = info[i + 1] end
    if info[i] == 'last-entry' then entry = info[i + 1] end
  end
  return last, entry and entry[1]
end
`

const END_SCRIPT = `${END} return (endOf(KEYS[1]))`

// Without BLOCK it returns at once.
const READ_SCRIPT = `
local answer = redis.call('XREAD', 'COUNT', ARGV[2], 'STREAMS', KEYS[1], ARGV[1])
return answer and answer[1] and answer[1][2] or {}
`

// Redis refuses only the first write of a script. A stream that is dropped is of no use if the next one can't begin.
const STORE_SCRIPT = `${END}
local stream = KEYS[1]
local expected, begin, to, dropped = unpack(ARGV, 1, 4)
local last, entry = endOf(stream)
if last ~= expected then return last end
local function add(id, after, changes)
  redis.call('XADD', stream, 'MINID', '~', dropped, id, 'after', after:match('%d+$'), 'changes', changes)
  entry = id
end
if begin ~= '' then
  redis.call('UNLINK', stream)
  add(begin, begin, '{"format":1,"changes":[]}')
end
for i = 5, #ARGV, 2 do add(ARGV[i], entry or ARGV[i], ARGV[i + 1]) end
if entry ~= to then redis.call('XSETID', stream, to) end
return to
`

/** The stream of changes in the Redis of a cluster, with the key `{PREFIX}:changes` and ids `EPOCH-SEQ`. */
export function createRedisStream(scripts: Scripts): ChangeStream {
  return {
    async end() {
      return placeIn(await scripts.run(END_SCRIPT, KEY, []))
    },

    async read(after, count) {
      const rows = (await scripts.run(READ_SCRIPT, KEY, [idOf(after), `${count}`])) as [string, string[]][]
      const entries: StreamEntry[] = []
      for (const [id, fields] of rows) {
        const place = placeIn(id)
        const content = new Map<string, string>()
        for (let i = 0; i + 1 < fields.length; i += 2) content.set(`${fields[i]}`, `${fields[i + 1]}`)
        if (place?.epoch !== after.epoch) break
        const before = Number(content.get('after'))
        entries.push({ after: before, seq: place.seq, content: content.get('changes') ?? '' })
      }
      return entries
    },

    async store({ expected, beginAt, entries, to, dropped }: StoreRequest) {
      const at = (seq: number) => idOf({ epoch: to.epoch, seq })
      const answer = await scripts.run(STORE_SCRIPT, KEY, [
        expected ? idOf(expected) : '0-0',
        beginAt === undefined ? '' : at(beginAt),
        idOf(to),
        at(dropped),
        ...entries.flatMap(({ seq, content }) => [at(seq), content]),
      ])
      return placeIn(answer)
    },
  }
}

function idOf({ epoch, seq }: Place): string {
  return `${epoch}-${seq}`
}

/** The place of an id; `undefined` for that of a stream that does not exist. */
function placeIn(id: unknown): Place | undefined {
  const [epoch = '', seq] = `${id}`.split('-')
  return epoch === '0' ? undefined : { epoch, seq: Number(seq) }
}
