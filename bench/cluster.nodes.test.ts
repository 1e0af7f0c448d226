import { describeOnEngines } from '@who-is-online/testing/describe-on-engines'
import { startRedis } from '@who-is-online/testing/start-redis'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { Entry, Result, Run } from './src/figures.ts'
import { checkGoal } from './src/goals.ts'
import { RawRedis } from './src/raw-redis.ts'
import { cluster, flatness } from './src/scenarios/cluster.ts'

const conditions = { contenders: [], rounds: 1, progress: () => {} }

describeOnEngines('the bench of a cluster', engine => {
  // Checks counts only, not times: other tests run at the same time.
  test('a quick run reaches every client of every node, and tells what the nodes and Redis have done', async () => {
    const result = await cluster('quick', conditions, undefined, [engine])
    expect(result.problems).toEqual([])
    expect(
      result.forms.map(({ name, entries }) => [name, ...entries.map(({ contender }) => contender)]),
    ).toEqual([
      ['10', 'single', '3 nodes'],
      ['100', 'single', '3 nodes'],
      ['rest', 'single', '3 nodes'],
      ['memory', 'single', 'a node', 'Redis'],
      ['start', 'single', 'a node'],
    ])
    const [single, nodes] = (result.forms[0]?.entries ?? []).map(({ rounds }) => rounds[0])
    expect(single?.cluster).toBeUndefined()
    expect(nodes?.delivered?.counted).toBe(3 * (single?.delivered?.counted ?? 0))
    expect(nodes?.cluster).toMatchObject({
      commandsPerSecond: expect.any(Number),
      elsewhereMs: { p50: expect.any(Number), p99: expect.any(Number) },
    })
    // At least one beat of each node, and each entry is appended with one command and read by three nodes.
    expect(nodes?.cluster?.entriesPerSecond).toBeGreaterThan(1)
    expect(nodes?.cluster?.commandsPerSecond).toBeGreaterThan(nodes?.cluster?.entriesPerSecond ?? 0)
    // Starts eleven servers, and a node of a new cluster waits five seconds for others.
  }, 180_000)

  test('a Redis is asked what it has done, and what it refuses is an error', async () => {
    const running = await startRedis(engine)
    onTestFinished(running.stop)
    const redis = await RawRedis.connect(running.port)
    onTestFinished(() => redis.close())
    const before = await redis.work()
    await redis.send('EVAL', "redis.call('XADD', KEYS[1], '*', 'a', '1')", '1', 'log')
    await redis.send('HSET', 'rows', 'a', 'ä'.repeat(100_000))
    const after = await redis.work()
    expect(after.entries - before.entries).toBe(1)
    expect(after.sent - before.sent).toBe(1)
    expect(after.executed - before.executed).toBeGreaterThanOrEqual(3)
    expect(after.usedMemory - before.usedMemory).toBeGreaterThan(200_000)
    expect(await redis.send('HGET', 'rows', 'a')).toHaveLength(100_000)
    await expect(redis.send('HGET', 'log', 'a')).rejects.toThrow('Redis refuses HGET: WRONGTYPE')
  })
})

test('without a Redis there is a problem, and no figures', async () => {
  const result = await cluster('quick', conditions, undefined, [])
  expect(result.problems).toEqual([expect.stringContaining('install redis-server')])
  expect(result.forms).toEqual([])
})

const run = (cost: number, commandsPerSecond: number): Run => ({
  cost,
  cluster: { commandsPerSecond },
  invalid: [],
})

function resultOf(commands: Readonly<Record<string, number>>): Result {
  const forms = Object.entries(commands).map(([name, perSecond]) => ({
    name,
    title: name,
    unit: 'ms',
    entries: [{ contender: '3 nodes', rounds: [run(1, perSecond)] }],
    goals: [],
  }))
  const machine = { date: '', node: '', cpu: '', cores: 2 }
  return { scenario: 'cluster', title: '', ...machine, forms, problems: [], notes: [] }
}

describe('the goals of a cluster', () => {
  const verdicts = (commands: Readonly<Record<string, number>>) =>
    flatness(resultOf(commands), '1000').map(({ verdict }) => verdict)

  test('commands per second that hardly grow with the changes are flat', () => {
    expect(verdicts({ 10: 50, 100: 80, 1000: 85 })).toEqual(['met', 'met'])
    expect(flatness(resultOf({ 10: 50, 100: 80, 1000: 85 }), '100')).toEqual([])
  })

  test('the negative control: those that grow with the changes are not', () => {
    expect(verdicts({ 10: 50, 100: 500, 1000: 5_000 })).toEqual(['not met', 'not met'])
    expect(verdicts({ 10: 50, 100: 60, 1000: 99 })).toEqual(['not met', 'met'])
  })

  test('a goal may be about another contender than our build', () => {
    const entries: Entry[] = [
      { contender: 'single', rounds: [run(1, 0)] },
      { contender: '3 nodes', rounds: [run(1.6, 90)] },
    ]
    const goal = {
      form: '100',
      of: '3 nodes',
      figure: 'cost',
      atMost: { times: 1.5, than: 'single' },
    } as const
    expect(checkGoal(goal, entries)).toEqual({
      goal: '3 nodes: ≤ 1.5 × single',
      measured: '1.6 × single',
      verdict: 'not met',
    })
    const commands = {
      form: '100',
      of: '3 nodes',
      figure: 'commands',
      atMost: { value: 98, unit: 'a second' },
    } as const
    expect(checkGoal(commands, entries)).toMatchObject({ measured: '90 a second', verdict: 'met' })
  })
})
