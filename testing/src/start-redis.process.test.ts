import { spawn } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test, vi } from 'vitest'
import { describeOnEngines } from './describe-on-engines.ts'
import { findEngines, startRedis } from './start-redis.ts'
import { temporaryDir } from './start-server.ts'

const module = fileURLToPath(new URL('./start-redis.ts', import.meta.url))

/** A program that starts an engine, prints its pid, and waits. */
const PROGRAM = `
import { findEngines, startRedis } from '${module}'
const engine = findEngines().find(({ name }) => name === process.argv[1])
console.log((await startRedis(engine)).pid)
setInterval(() => {}, 1_000)
`

function runs(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

describeOnEngines('startRedis', engine => {
  test.each(['SIGTERM', 'SIGKILL'] as const)(
    'the engine ends with a test process that gets %s',
    async signal => {
      const child = spawn(process.execPath, ['--input-type=module', '-e', PROGRAM, engine.name])
      onTestFinished(() => void child.kill('SIGKILL'))
      const pid = Number(await new Promise(resolve => child.stdout.once('data', resolve)))
      expect(runs(pid)).toBe(true)
      child.kill(signal)
      await vi.waitFor(() => expect(runs(pid)).toBe(false), 10_000)
    },
  )

  test('it can be paused, killed and started again on the same port', async () => {
    const redis = await startRedis(engine)
    onTestFinished(redis.stop)
    const { pid, url } = redis
    redis.pause()
    await sleep(50)
    redis.resume()
    await redis.kill()
    expect(runs(pid)).toBe(false)
    await redis.restart()
    expect([runs(redis.pid), redis.pid === pid, redis.url]).toEqual([true, false, url])
    await redis.stop()
    expect(runs(redis.pid)).toBe(false)
  })
})

test('without an engine, tests are skipped, and fail with CI', () => {
  const write = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
  onTestFinished(() => write.mockRestore())
  const dir = temporaryDir()
  onTestFinished(dir.remove)
  const none = { PATH: dir.path }
  expect(findEngines(none, dir.path)).toEqual([])
  expect(write).toHaveBeenCalledWith(expect.stringContaining('install redis-server'))
  expect(() => findEngines({ ...none, CI: '1' }, dir.path)).toThrow('install redis-server')
})
