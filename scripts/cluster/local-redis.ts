import { existsSync } from 'node:fs'
import { connect } from 'node:net'
import { delimiter, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** What to do without a Redis. */
export const NO_REDIS = `pnpm cluster needs a Redis, and found neither redis-server nor valkey-server in PATH.
Install one of them, or name one that runs:

  Debian, Ubuntu   sudo apt-get install redis-server
  macOS            brew install redis
  Docker           docker run --rm -p 6379:6379 valkey/valkey:8
                   REDIS_URL=redis://localhost:6379 pnpm cluster`

/** The path of the first `redis-server` or `valkey-server` in a PATH. */
export function findRedis(path: string): string | undefined {
  const dirs = path.split(delimiter).filter(dir => dir !== '')
  const paths = ['redis-server', 'valkey-server'].flatMap(name => dirs.map(dir => join(dir, name)))
  return paths.find(existsSync)
}

/** The command that starts a Redis on 127.0.0.1 as docs/scaling.md asks for it, with its data in `dir`. */
export function redisCommand(program: string, port: number, dir: string): readonly [string, ...string[]] {
  const settings = {
    port: `${port}`,
    bind: '127.0.0.1',
    dir,
    appendonly: 'yes',
    save: '',
    'maxmemory-policy': 'noeviction',
    loglevel: 'warning',
  }
  return [program, ...Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value])]
}

/** Resolves when a Redis answers at a port of 127.0.0.1. Rejects if it has ended, or does not answer within 15 s. */
export async function untilRedisAnswers(port: number, isRunning: () => boolean): Promise<void> {
  const end = performance.now() + 15_000
  while (!(await pings(port))) {
    if (!isRunning()) throw new Error('Redis has ended: its lines above say why')
    if (performance.now() > end) throw new Error('Redis did not start within 15 s')
    await sleep(50)
  }
}

function pings(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect({ port, host: '127.0.0.1' })
    socket.setTimeout(1_000, () => socket.destroy())
    socket.on('connect', () => socket.write('PING\r\n'))
    socket.on('data', data => {
      resolve(`${data}`.startsWith('+PONG'))
      socket.destroy()
    })
    socket.on('error', () => {})
    socket.on('close', () => resolve(false))
  })
}
