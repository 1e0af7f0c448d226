import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describeOnEngines } from '@who-is-online/testing/describe-on-engines'
import type { Engine } from '@who-is-online/testing/start-redis'
import type { Redis } from 'ioredis'
import { describe, expect, test } from 'vitest'
import {
  APPEND_RULES,
  type AppendRule,
  type AppendTarget,
  appendSuite,
  begun,
  changesNothing,
  EPOCH,
  request,
} from './append.suite.ts'
import { appendCommand, placeText, readEntry, readReply, redisKeys } from './append.ts'
import { useRedis } from './testing/use-redis.ts'

// append.lua on real engines. Each deletion of a guard must be noticed by a rule.

const SCRIPT = readFileSync(join(import.meta.dirname, 'append.lua'), 'utf8')
const keys = redisKeys('test')

interface EngineTarget extends AppendTarget {
  readonly client: Redis
}

/** Starts an engine for the tests of a `describe`, and gives empty targets that run a script on it. */
function useTargets(engine: Engine): (script?: string) => Promise<EngineTarget> {
  const redis = useRedis(engine)
  return async (script = SCRIPT) => {
    await redis.client.flushall('SYNC')
    return {
      client: redis.client,
      async load() {
        const { ignored } = redis.connection
        const loaded = await redis.connection.load()
        expect(redis.connection.ignored, 'rows that are not what append.ts makes').toBe(ignored)
        return loaded
      },
      async append(asked) {
        const { keys: names, args } = appendCommand(keys, asked)
        return readReply(await redis.client.eval(script, names.length, ...names, ...args))
      },
      async writeRow(field, text) {
        await redis.client.hset(keys.nodes, field, text)
      },
      async writeEntry(place) {
        await redis.client.xadd(keys.log, placeText(place), 'a', 'b')
      },
      async log() {
        return (await redis.client.xrange(keys.log, '-', '+')).map(([id, fields]) => readEntry(id, fields))
      },
    }
  }
}

/** A request that changes all keys: it has a fact and a register, and its subject is another node. */
const lost = request('lost', 2, {
  knownBatch: 1,
  body: {
    subject: 'b',
    facts: [['ann', { p: 1, n: 1, h: EPOCH, s: {} }, 'opened']],
    registers: [['n:ann', '1|a|""']],
  },
})

async function refused(target: EngineTarget, error: RegExp): Promise<void> {
  await changesNothing(target, async () => {
    for (const asked of [lost, request('join', 2), request('epoch', 2, { newEpoch: EPOCH + 9 })]) {
      await expect(target.append(asked)).rejects.toThrow(error)
    }
  })
}

/** What the model does not have: a Redis that refuses to write. */
const REFUSALS: readonly AppendRule<EngineTarget>[] = [
  [
    'at maxmemory nothing changes, and later the same batch is appended',
    async target => {
      await begun(target)
      await target.client.config('SET', 'maxmemory', '1')
      try {
        await refused(target, /OOM/)
      } finally {
        await target.client.config('SET', 'maxmemory', '0')
      }
      expect(await target.append(lost)).toMatchObject({ reply: 'appended' })
    },
  ],
  [
    'on a replica nothing changes, and later the same batch is appended',
    async target => {
      await begun(target)
      await target.client.replicaof('127.0.0.1', 1)
      try {
        await refused(target, /READONLY/)
      } finally {
        await target.client.replicaof('NO', 'ONE')
      }
      expect(await target.append(lost)).toMatchObject({ reply: 'appended' })
    },
  ],
  [
    'if a key has another type, nothing changes',
    async target => {
      for (const key of [keys.log, keys.users, keys.here('a'), keys.here('b')]) {
        await target.client.flushall('SYNC')
        await begun(target)
        await target.client.set(key, 'foreign')
        const kept = () => Promise.all([target.client.hgetall(keys.nodes), target.client.type(keys.log)])
        const length = () => (key === keys.log ? 0 : target.client.xlen(keys.log))
        const before = [await kept(), await length()]
        await expect(target.append(lost)).rejects.toThrow(/WRONGTYPE/)
        expect([await kept(), await length()]).toEqual(before)
      }
    },
  ],
]

/** Lines that are a guard, a write or a reply of their own. */
const GUARDS = SCRIPT.split('\n').filter(
  line => /^(if|for i = 2|redis\.call)/.test(line) && !line.endsWith(' do'),
)

/** Guards that are only a part of their line, as what stands there and what instead. */
const PARTS: readonly (readonly [part: string, instead: string])[] = [
  [", 'server', server) end", ') end'],
  ["epoch ~= current or (epoch == '' and kind ~= 'epoch')", 'epoch ~= current'],
  ["epoch ~= current or (epoch == '' and kind ~= 'epoch')", "epoch == '' and kind ~= 'epoch'"],
  [" and kind ~= 'join' and kind ~= 'epoch' then", " and kind ~= 'epoch' then"],
  [" and kind ~= 'join' and kind ~= 'epoch' then", " and kind ~= 'join' then"],
  ['last >= tonumber(batch)', 'last == tonumber(batch)'],
  ['subjectHere and tonumber(numberOf', "kind == 'beat' and tonumber(numberOf"],
  ["#text < 16 and text:match('^[1-9]%d*$')", "text ~= '' and text"],
  ["#text < 16 and text:match('^[1-9]%d*$')", '#text < 16 and tonumber(text) and text'],
  ['#text < 16 and ', ''],
  ["kind == 'epoch' and isEndUnusable()", "kind == 'epoch'"],
  ["match('%d+') > 15", "match('%d+') > 14"],
  ['> tonumber(knownBatch)', '>= tonumber(knownBatch)'],
  ["'MINID', '~', oldest, ", ''],
  ["if ARGV[i + 1] == '' then redis.call('HDEL', here, ARGV[i]) else", 'if true then'],
  ["if isGreater(value, redis.call('HGET', users, key) or '') then", 'if true then'],
  ["if isGreater(value, redis.call('HGET', users, key) or '') then", 'if false then'],
  ["if value:sub(-5) == '|null' then redis.call('HDEL', users, key) else", 'if true then'],
  ["if value:sub(-5) == '|null' then", 'if true then'],
  ["if value:sub(-5) == '|null' then", "if value:sub(-6) == '|null\"' then"],
  ['return one:byte(i) > other:byte(i)', 'return one:byte(i) < other:byte(i)'],
  ['return #one > #other', 'return true'],
  ['return #one > #other', 'return false'],
  [", subject .. '.about')", ')'],
  ["redis.call('UNLINK', here)", "redis.call('UNLINK', here, users)"],
]

/** The first write of the script at its end: then it is not known whether the others may be made. */
function xaddLast(script: string): string {
  const line = script.split('\n').find(text => text.startsWith('local place = ')) ?? ''
  return script
    .replace(`${line}\n`, '')
    .replaceAll('place:match', 'id:match')
    .replace('\nreturn {', `\n${line}\nreturn {`)
}

const MUTANTS: readonly (readonly [name: string, script: string])[] = [
  ...GUARDS.map(line => [`without: ${line}`, SCRIPT.replace(`${line}\n`, '')] as const),
  ...PARTS.map(([part, instead]) => [`${part} → ${instead}`, SCRIPT.replace(part, instead)] as const),
  ['the entry is added last', xaddLast(SCRIPT)],
]

describeOnEngines('append.lua', engine => {
  const make = useTargets(engine)

  appendSuite('the script', make)

  test.each(REFUSALS)('%s', async (_, check) => check(await make()))

  describe('a rule is broken by each mutant', () => {
    test('the mutants are of each guard, and differ from the script', () => {
      expect(GUARDS.length).toBeGreaterThan(10)
      for (const [name, script] of MUTANTS) expect(script, name).not.toBe(SCRIPT)
    })

    test.each(MUTANTS)('%s', async (_, script) => {
      // It runs: it is not broken because it can't be compiled.
      await begun(await make(script))
      const broken: string[] = []
      for (const [name, check] of [...APPEND_RULES, ...REFUSALS]) {
        await check(await make(script)).catch(() => broken.push(name))
        // One is enough.
        if (broken.length > 0) break
      }
      expect(broken).toHaveLength(1)
    })
  })
})
