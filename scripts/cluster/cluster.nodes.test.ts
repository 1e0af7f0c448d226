import { spawn } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { createServer } from 'node:net'
import { delimiter, dirname } from 'node:path'
import { TestClient } from '@who-is-online/testing/client'
import { describeOnEngines } from '@who-is-online/testing/describe-on-engines'
import { until } from '@who-is-online/testing/shell-server'
import { type Engine, startRedis } from '@who-is-online/testing/start-redis'
import { useTemporaryDir } from '@who-is-online/testing/use-temporary-dir'
import { expect, onTestFinished, test } from 'vitest'

const PATIENCE_MS = 60_000

const dir = useTemporaryDir()

/** A `pnpm cluster` that runs, without pnpm. */
function run(args: readonly string[], env: NodeJS.ProcessEnv) {
  const command = ['--conditions=@who-is-online/source', 'scripts/cluster/main.ts', ...args]
  const child = spawn(process.execPath, command, {
    // Its files are in the directory of the test.
    env: { PATH: process.env['PATH'], PORT: '0', TMPDIR: dir.path, ...env },
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', data => {
      output += data
    })
  const exit = new Promise<number | null>(resolve => child.once('exit', code => resolve(code)))
  return {
    child,
    exit,
    output: () => output,
    /** Writes a command, and resolves when the output since then has a pattern. */
    async type(line: string, pattern: RegExp): Promise<RegExpExecArray> {
      const start = output.length
      child.stdin.write(`${line}\n`)
      return until(
        `${pattern} follows ${line}`,
        () => pattern.exec(output.slice(start)) ?? undefined,
        PATIENCE_MS,
      )
    },
    async started() {
      await until(
        `the cluster runs:\n${output}`,
        () => {
          if (child.exitCode !== null) throw new Error(`it has ended:\n${output}`)
          return output.includes('Commands:')
        },
        PATIENCE_MS,
      )
      const rows = [...output.matchAll(/^ {2}(page|node\d|redis) +(\S+) +(?:pid (\d+))?/gm)]
      const pidOf = (name: string) => Number(rows.find(row => row[1] === name)?.[3])
      const page = rows[0]?.[2] ?? ''
      const urlOf = (name: string) =>
        `${rows.find(row => row[1] === name)?.[2]}ws`.replace('http://localhost', 'ws://127.0.0.1')
      return { page, urlOf, pidOf, pids: rows.flatMap(row => (row[3] === undefined ? [] : [Number(row[3])])) }
    },
  }
}

function envOf({ path, libraries }: Engine): NodeJS.ProcessEnv {
  return {
    PATH: `${dirname(path)}${delimiter}${process.env['PATH']}`,
    ...(libraries !== undefined && { LD_LIBRARY_PATH: libraries }),
  }
}

const runs = (pid: number) => existsSync(`/proc/${pid}`)

test('without a Redis it says how to get one', async () => {
  const { exit, output } = run([], { PATH: '' })
  expect(await exit).toBe(1)
  for (const text of ['apt-get install', 'brew install', 'docker run', 'REDIS_URL='])
    expect(output()).toContain(text)
})

test('a wrong number of nodes is refused', async () => {
  const { exit, output } = run(['none'], { REDIS_URL: 'redis://127.0.0.1:1' })
  expect(await exit).toBe(1)
  expect(output()).toContain('the number of nodes must be from 1 to 20')
})

describeOnEngines('pnpm cluster', engine => {
  test(
    'starts three nodes behind a balancer, and commands end and start them',
    async () => {
      const cluster = run([], envOf(engine))
      const { page, pids, pidOf } = await cluster.started()
      expect(pids).toHaveLength(4)
      expect(pids.filter(runs)).toEqual(pids)
      const url = page.replace('http://localhost', 'ws://127.0.0.1').replace(/\/$/, '/ws')
      const status = () =>
        fetch(page.replace('localhost', '127.0.0.1'), {
          headers: { connection: 'close' },
          signal: AbortSignal.timeout(5_000),
        }).then(({ status }) => status)
      expect(await status()).toBe(200)

      await cluster.type('kill 1', /node1 has ended \(SIGKILL\)/)
      expect(runs(pidOf('node1'))).toBe(false)
      expect(await status()).toBe(200)
      await (await TestClient.as({ url }, 'ann')).leave()
      expect((await cluster.type('list', /node1 .*\n/))[0]).toMatch(/ended$/m)

      const [, pid] = await cluster.type('start 1', /node1 starts, pid (\d+)/)
      expect(runs(Number(pid))).toBe(true)
      await cluster.type('', /node1 \| .*listening on/)
      await cluster.type('pause 2', /node2 is paused/)
      const answers = () =>
        status()
          .then(code => code === 200)
          .catch(() => false)
      await until(
        'the balancer skips the paused node',
        async () => (await answers()) && (await answers()) && answers(),
      )
      await cluster.type('redis kill', /redis has ended/)
      expect(runs(pidOf('redis'))).toBe(false)
      await cluster.type('redis start', /redis starts, pid/)

      // A paused node ends too.
      cluster.child.stdin.write('quit\n')
      expect(await cluster.exit).toBe(0)
      expect([...pids, Number(pid)].filter(runs)).toEqual([])
      expect(readdirSync(dir.path)).toEqual([])
    },
    PATIENCE_MS * 2,
  )

  test(
    'clients of different nodes see each other, also after the end of a node and of Redis',
    async () => {
      const cluster = run(['2'], envOf(engine))
      const { urlOf } = await cluster.started()
      const one = { url: urlOf('node1') }
      const two = { url: urlOf('node2') }
      const ann = await TestClient.as(one, 'ann')
      await TestClient.as(two, 'bob')
      expect(await ann.next('user_status_change')).toMatchObject({ userId: 'bob', status: 'online' })

      await cluster.type('kill 2', /node2 has ended/)
      // A node counts as lost after 10 to 11 s, and a client of the tests waits for 10 s.
      await until('others see it', () => ann.texts.length > 0, PATIENCE_MS)
      // The negative control: without a connection to another node, bob goes offline.
      expect(await ann.next('user_status_change')).toMatchObject({ userId: 'bob', status: 'offline' })
      const bob = await TestClient.as(one, 'bob')
      expect(await ann.next('user_status_change')).toMatchObject({ userId: 'bob', status: 'online' })

      await cluster.type('start 2', /node2 starts/)
      await until('node2 is ready', async () =>
        /node2 +\S+ +pid \d+$/m.test((await cluster.type('list', /redis .*\n/)).input),
      )
      await cluster.type('redis kill', /redis has ended/)
      await cluster.type('redis start', /redis starts/)
      const cid = await TestClient.as(two, 'cid')
      expect(await ann.next('user_status_change')).toMatchObject({ userId: 'cid', status: 'online' })
      await Promise.all([ann, bob, cid].map(client => client.leave()))
      cluster.child.stdin.end()
      expect(await cluster.exit).toBe(0)
    },
    PATIENCE_MS * 2,
  )

  test.each([
    ['SIGTERM', 'SIGTERM'],
    ['Ctrl-C', 'SIGINT'],
    ['the end of its input', undefined],
  ] as const)(
    '%s ends everything',
    async (_, signal) => {
      const cluster = run(['1'], envOf(engine))
      const { pids } = await cluster.started()
      expect(pids.filter(runs)).toHaveLength(2)
      expect(readdirSync(dir.path)).toHaveLength(1)
      if (signal) cluster.child.kill(signal)
      else cluster.child.stdin.end()
      expect(await cluster.exit).toBe(0)
      expect(pids.filter(runs)).toEqual([])
      expect(readdirSync(dir.path)).toEqual([])
    },
    PATIENCE_MS,
  )

  test(
    'SIGTERM during the start ends everything',
    async () => {
      const cluster = run(['1'], envOf(engine))
      await until('Redis runs', () => cluster.output().includes('redis |'), PATIENCE_MS)
      const [, redis] = /pid=(\d+)/.exec(cluster.output()) ?? []
      cluster.child.kill('SIGTERM')
      expect(await cluster.exit).toBe(0)
      expect(runs(Number(redis))).toBe(false)
      expect(readdirSync(dir.path)).toEqual([])
    },
    PATIENCE_MS,
  )

  test(
    'what it has started ends even if it is killed',
    async () => {
      const cluster = run(['1'], envOf(engine))
      const { pids } = await cluster.started()
      cluster.child.kill('SIGKILL')
      await until('all have ended', () => !pids.some(runs), PATIENCE_MS)
    },
    PATIENCE_MS,
  )

  test(
    'a Redis that runs already is used, and never ended',
    async () => {
      const redis = await startRedis(engine)
      onTestFinished(redis.stop)
      const cluster = run(['1'], { REDIS_URL: redis.url })
      const { pids } = await cluster.started()
      expect(pids).toHaveLength(1)
      await cluster.type('redis kill', /was not started by this command/)
      cluster.child.stdin.end()
      expect(await cluster.exit).toBe(0)
      expect(pids.filter(runs)).toEqual([])
      expect(runs(redis.pid)).toBe(true)
    },
    PATIENCE_MS,
  )

  test(
    'a port that is in use ends the start, and everything with it',
    async () => {
      const other = createServer()
      await new Promise<void>(resolve => other.listen(0, '127.0.0.1', resolve))
      onTestFinished(() => void other.close())
      const { port } = other.address() as { port: number }
      const cluster = run(['1'], { ...envOf(engine), PORT: `${port}` })
      expect(await cluster.exit).toBe(1)
      expect(cluster.output()).toContain(`port ${port} is in use`)
      expect(readdirSync(dir.path)).toEqual([])
    },
    PATIENCE_MS,
  )
})
