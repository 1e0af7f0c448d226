import { expect, test } from 'vitest'
import { HELP, runCommand, table } from './commands.ts'
import type { LocalCluster } from './local-cluster.ts'
import { findRedis, redisCommand } from './local-redis.ts'
import { Program } from './program.ts'

/** A program that was not started. */
function program(name: string): Program {
  const options = { command: ['true'] as const, env: {}, cwd: '.', print: () => {}, startAgain: '' }
  return new Program({ name, ...options })
}

/** A cluster whose programs do not run. */
function cluster(redis?: Program): LocalCluster {
  return {
    nodes: [1, 2].map(n => ({ name: `node${n}`, port: 4_000 + n, program: program(`node${n}`) })),
    redisUrl: 'redis://ann:secret@redis.example.com:6379',
    ...(redis && { redis }),
    balancer: { port: 3_050, isReady: () => false, check: async () => {}, close: async () => {} },
    stop: async () => {},
  }
}

const run = (line: string, of = cluster()) => runCommand(line, of, () => {})

test.each([
  ['help', HELP],
  ['', ''],
  ['  Kill  1 ', 'node1 does not run'],
  ['pause node2', 'node2 does not run'],
  ['kill 3', 'there is no node "3": write kill and a number from 1 to 2'],
  ['kill', 'there is no node "": write kill and a number from 1 to 2'],
  ['redis kill', 'Redis was not started by this command: it is at redis://…@redis.example.com:6379'],
  ['quit now', `unknown command: quit now\n${HELP}`],
  ['redis', `unknown command: redis\n${HELP}`],
  ['kill 1 2', `unknown command: kill 1 2\n${HELP}`],
])('%j prints %j', async (line, text) => {
  expect(await run(line)).toBe(text)
})

test('quit ends the cluster', async () => {
  let hasQuit = false
  const quit = () => {
    hasQuit = true
  }
  await runCommand('help', cluster(), quit)
  expect(hasQuit).toBe(false)
  await runCommand('quit', cluster(), quit)
  expect(hasQuit).toBe(true)
})

test('commands of a Redis that was started reach it', async () => {
  expect(await run('redis kill', cluster(program('redis')))).toBe('redis does not run')
})

test('the table has each address, and no password', async () => {
  const text = table(cluster())
  expect(text.split('\n').map(line => line.trim().split(/ {2,}/))).toEqual([
    ['page', 'http://localhost:3050/', 'the balancer in front of all nodes'],
    ['node1', 'http://localhost:4001/', 'ended'],
    ['node2', 'http://localhost:4002/', 'ended'],
    ['redis', 'redis://…@redis.example.com:6379', 'not started by this command'],
  ])
  expect(await run('list')).toBe(text)
})

test('a Redis is searched in PATH only, and started as docs/scaling.md asks for it', () => {
  expect(findRedis('')).toBeUndefined()
  expect(findRedis('/does/not/exist:')).toBeUndefined()
  const command = redisCommand('redis-server', 6_379, '/data').join(' ')
  expect(command).toContain('--bind 127.0.0.1')
  expect(command).toContain('--appendonly yes')
  expect(command).toContain('--maxmemory-policy noeviction')
})
