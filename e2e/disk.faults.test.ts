import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { sleep, TestClient } from '@who-is-online/testing/client'
import { until } from '@who-is-online/testing/shell-server'
import { type RunningServer, runServer, startServer } from '@who-is-online/testing/start-server'
import { useTemporaryDir } from '@who-is-online/testing/use-temporary-dir'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

// Disks that are slow, hang, are full or read-only, and directories that are removed or shared between
// containers, with a real server, real mounts and namespaces. Tests that this machine can't run are skipped
// visibly.

const can = (command: string, ...args: string[]) => spawnSync(command, args, { stdio: 'ignore' }).status === 0
const isRoot = process.getuid?.() === 0
const canTrace = can('strace', '-qq', '-o', '/dev/null', '-e', 'inject=fdatasync:delay_enter=1', 'true')
const canUnshare = can('unshare', '-pf', '--mount-proc', 'true')
const canMount = isRoot && can('unshare', '-m', 'sh', '-c', 'mount -t tmpfs -o size=1m none /mnt')
const canRead = (path: string) => can('test', '-r', path)

const dir = useTemporaryDir()
let data = ''
const tracers: ChildProcess[] = []
beforeEach(() => {
  data = join(dir.path, 'data')
})
afterEach(() => {
  for (const tracer of tracers.splice(0)) tracer.kill('SIGKILL')
})

/** How long `until` waits, in ms. */
const timeUntil = async (...condition: Parameters<typeof until>) => {
  const begun = performance.now()
  await until(...condition)
  return Math.round(performance.now() - begun)
}

const ready = async ({ origin }: RunningServer) => {
  const response = await fetch(`${origin}/readyz`)
  const { storage } = (await response.json()) as { storage?: string }
  return { storage, code: response.status }
}
const storage = async (server: RunningServer) => (await ready(server)).storage
const gauge = async ({ origin }: RunningServer, name: string) =>
  new RegExp(`^${name} (\\d)$`, 'm').exec(await (await fetch(`${origin}/metrics`)).text())?.[1]
const lines = (server: RunningServer, text: string) => server.output().split(text).length - 1

describe.skipIf(!canTrace)('a disk that is slow', () => {
  /** Delays a system call of a running server until the returned function is called. */
  const delay = async (server: RunningServer, call: string, ms: number) => {
    const inject = `inject=${call}:delay_enter=${ms * 1_000}`
    const tracer = spawn('strace', ['-f', '-o', '/dev/null', '-p', String(server.pid), '-e', inject])
    tracers.push(tracer)
    let said = ''
    tracer.stderr.on('data', text => (said += text))
    await until('strace is attached', () => said.includes('attached'))
    return async () => {
      tracer.kill('SIGINT')
      await once(tracer, 'exit')
    }
  }

  test.for(['fdatasync', 'rename', 'fsync'] as const)(
    '[Z1] %s takes 3 s: /readyz, the gauge and one log line report `late` until it is over; control: before that, ok',
    async call => {
      const server = await startServer(dir.path, { SAVE_EVERY_MS: 1_000 })
      const client = await TestClient.as(server, 'ann')
      await sleep(1_500)
      expect(await storage(server)).toBe('ok')
      const end = await delay(server, call, 3_000)
      client.send({ type: 'set_status', status: 'offline' })
      const noticed = await timeUntil('the disk is late', async () => (await storage(server)) === 'late')
      expect((await ready(server)).code).toBe(200)
      expect(await gauge(server, 'wio_storage_late')).toBe('1')
      expect(lines(server, 'the disk is slow')).toBe(1)
      await end()
      await until('the disk is in time', async () => (await storage(server)) === 'ok')
      expect(await gauge(server, 'wio_storage_late')).toBe('0')
      expect(lines(server, 'the disk is slow')).toBe(1)
      expect(lines(server, 'in time again')).toBe(1)
      console.log(`${call} 3 s: late after ${noticed} ms`)
      expect(await server.end('SIGTERM')).toBe(0)
    },
  )

  test.for(['fdatasync', 'rename'] as const)(
    '[Q7] %s hangs for 40 s: a stop gives up the last save within 10 s',
    async call => {
      const server = await startServer(dir.path)
      const client = await TestClient.as(server, 'ann')
      await delay(server, call, 40_000)
      const tracer = tracers.at(-1)
      client.send({ type: 'set_status', status: 'offline' })
      if (call !== 'rename') await until('the disk is late', async () => (await storage(server)) === 'late')
      const ended = server.end('SIGTERM')
      const waited = await timeUntil('the stop gives up the save', () =>
        server.output().includes('the last save failed'),
      )
      console.log(`${call} hangs: the stop stopped waiting after ${waited} ms`)
      expect(waited).toBeLessThan(10_000)
      tracer?.kill('SIGKILL')
      await server.end('SIGKILL')
      await ended
    },
  )
})

describe.skipIf(!canUnshare)('two containers with one volume', () => {
  const container = ['unshare', '-pf', '--mount-proc', '--kill-child']
  /** The pid of the server itself, whose parent is `unshare`. */
  const pidIn = ({ pid }: RunningServer) =>
    Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ')[0])

  test('[Z7] the second server, also pid 1, exits with 75; when the first one is killed, another can start', async () => {
    const first = await startServer(dir.path, {}, [], { through: container })
    const client = await TestClient.as(first, 'ann')
    const own = await runServer(dir.path, {}, [], { through: container })
    expect(own.code).toBe(75)
    expect(own.output).toContain('process 1 of another container is using this data directory')
    const fromHost = await runServer(dir.path, {})
    expect(fromHost.code).toBe(75)
    await client.leave()
    await sleep(200)
    await first.end('SIGKILL')
    const next = await startServer(dir.path, {}, [], { through: container })
    const looker = await TestClient.as(next, 'looker')
    const { users } = await looker.ask({ type: 'get_all_users' }, 'all_users')
    expect(users.map((user: { userId: string }) => user.userId)).toContain('ann')
    await next.end('SIGKILL')
  })

  test('[Z7] the same with the /proc of the host, another network and a frozen owner', async () => {
    const first = await startServer(dir.path, {}, [], { through: ['unshare', '-pf', '--kill-child'] })
    const pid = pidIn(first)
    process.kill(pid, 'SIGSTOP')
    for (const through of [container, ['unshare', '-pfn', '--kill-child'], []]) {
      const { code } = await runServer(dir.path, {}, [], { through })
      expect(code).toBe(75)
    }
    process.kill(pid, 'SIGCONT')
    await first.end('SIGKILL')
  })

  test('control: a lock without its socket does not stop another container', async () => {
    const first = await startServer(dir.path, {}, [], { through: container })
    // Frozen, because it makes a new socket within a second.
    process.kill(pidIn(first), 'SIGSTOP')
    for (const name of readdirSync(data)) if (name.endsWith('.sock')) rmSync(join(data, name))
    const second = await startServer(dir.path, {}, [], { through: container })
    process.kill(pidIn(first), 'SIGCONT')
    await until('the first server notices it', () => first.output().includes('stop one of the two'))
    await second.end('SIGKILL')
    await first.end('SIGKILL')
  })
})

describe('a directory that is removed while the server runs', () => {
  const serve = async () => {
    const server = await startServer(dir.path)
    const client = await TestClient.as(server, 'ann')
    await (await TestClient.as(server, 'bob')).leave()
    await sleep(300)
    return { server, client }
  }

  const removeFrom = (data: string, end: string) => {
    for (const name of readdirSync(data)) if (name.endsWith(end)) rmSync(join(data, name))
  }

  test.for<readonly [string, (data: string) => void]>([
    ['rm -r data', data => rmSync(data, { recursive: true })],
    ['mv data away', data => renameSync(data, `${data}.away`)],
    ['rm data/*', data => removeFrom(data, '')],
    ['rm data/lock', data => rmSync(join(data, 'lock'))],
    ['rm data/*.log', data => removeFrom(data, '.log')],
  ])(
    '[Z2] %s: noticed, logged, saved again within 5 s, and a kill after that loses nothing',
    async ([what, act]) => {
      const { server } = await serve()
      act(data)
      await until('the removal is noticed', () =>
        server.output().includes('was removed while the server was using it'),
      )
      const back = await timeUntil('the state is saved', () =>
        server.output().includes('the state is saved again'),
      )
      console.log(`${what}: saved again ${back} ms after it was noticed`)
      expect(back).toBeLessThan(5_000)
      expect(await storage(server)).toBe('ok')
      expect(lines(server, 'cannot save the state')).toBe(1)
      await server.end('SIGKILL')
      const next = await startServer(dir.path)
      const looker = await TestClient.as(next, 'looker')
      const { users } = await looker.ask({ type: 'get_all_users' }, 'all_users')
      expect(users.map((user: { userId: string }) => user.userId).sort()).toEqual(['ann', 'bob', 'looker'])
      expect(await next.end('SIGTERM')).toBe(0)
    },
  )

  test('[Z3] and another server starts in a new one: the first one logs it and does not touch the files', async () => {
    const { server } = await serve()
    // Frozen, so that the second server is certainly first.
    process.kill(server.pid, 'SIGSTOP')
    rmSync(data, { recursive: true })
    const second = await startServer(dir.path)
    process.kill(server.pid, 'SIGCONT')
    await until('the first server notices it', () => server.output().includes('stop one of the two'))
    const client = await TestClient.as(server, 'of the first')
    await client.leave()
    await sleep(3_000)
    expect(await storage(server)).toBe('failing')
    expect(await server.end('SIGTERM')).toBe(1)
    expect(await second.end('SIGTERM')).toBe(0)
    expect(readFileSync(join(data, 'user_state.json'), 'utf8')).not.toContain('ann')
  })
})

describe('a start with an unusable directory', () => {
  const refused = async (parts: readonly string[], through: readonly string[] = []) => {
    const { code, output } = await runServer(dir.path, {}, [], { through })
    expect(code).toBe(78)
    for (const part of [data, `uid ${process.geteuid?.()}`, ...parts]) expect(output).toContain(part)
    expect(output).not.toMatch(/^\s+at /m)
    expect(output.trim().split('\n')).toHaveLength(1)
  }

  /** Runs in its own mount namespace, so that no mount is left. */
  const mounted = (prepare: string) => ['unshare', '-m', 'sh', '-c', `${prepare}; exec "$@"`, 'sh']

  test.skipIf(!canMount)('[Z8] a full file system', async () => {
    mkdirSync(data)
    await refused(
      ['ENOSPC', 'free some space'],
      mounted(`mount -t tmpfs -o size=64k none ${data}; dd if=/dev/zero of=${data}/fill bs=4k 2>/dev/null`),
    )
  })

  test.skipIf(!canMount)('[Z8] a read-only file system', async () => {
    mkdirSync(data)
    await refused(['EROFS', 'mount the file system writable'], mounted(`mount -t tmpfs -o ro none ${data}`))
  })

  test.skipIf(!canMount || !can('setpriv', '--version'))('[Z8] a directory of another user', async () => {
    mkdirSync(data, { mode: 0o700 })
    const node = spawnSync('setpriv', [
      '--reuid=65534',
      '--clear-groups',
      '--regid=65534',
      process.execPath,
      '-v',
    ])
    if (node.status !== 0) return // that user can't run this Node
    const { code, output } = await runServer(dir.path, { LOG_DIR: '/dev/null/none' }, [], {
      through: [
        ...mounted(`chmod 711 ${dir.path}`),
        'setpriv',
        '--reuid=65534',
        '--regid=65534',
        '--clear-groups',
      ],
    })
    expect(code).toBe(78)
    for (const part of [
      data,
      'EACCES',
      'belongs to uid 0 (root)',
      'mode 0700',
      'runs as uid 65534',
      'chown -R',
    ])
      expect(output).toContain(part)
  })

  test('[Z8] an immutable directory', async context => {
    mkdirSync(data)
    context.skip(!can('chattr', '+i', data), 'chattr +i is not possible here')
    try {
      await refused(['EPERM', 'chattr -i'])
    } finally {
      execFileSync('chattr', ['-i', data])
    }
  })
})

describe('files changed after the server was killed', () => {
  test('[Z5] all state files deleted, but not the lock: refused with 78; without the lock, an empty start', async () => {
    const server = await startServer(dir.path)
    await TestClient.as(server, 'ann')
    await sleep(300)
    await server.end('SIGKILL')
    for (const name of readdirSync(data)) if (name.startsWith('user_state')) rmSync(join(data, name))
    const { code, output } = await runServer(dir.path, {})
    expect(code).toBe(78)
    expect(output).toContain(`delete ${join(data, 'lock')} to start with an empty state`)
    rmSync(join(data, 'lock'))
    await (await startServer(dir.path)).end('SIGTERM')
  })

  test('[Z4, Z5] segments copied and deleted: reported, and no user is reset to old values', async () => {
    let server = await startServer(dir.path, { SAVE_EVERY_MS: 1_000 })
    for (const user of ['ann', 'bob', 'eve']) await (await TestClient.as(server, user)).leave()
    await sleep(1_500)
    await server.end('SIGKILL')
    const segments = () =>
      readdirSync(data)
        .filter(name => /journal\.\d+\.log$/.test(name))
        .sort()
    const [oldest = ''] = segments()
    cpSync(join(data, oldest), join(data, 'user_state_journal.000090.log'))
    server = await startServer(dir.path)
    expect(server.output()).toContain('is a copy of segment')
    await TestClient.as(server, 'last')
    await sleep(300)
    await server.end('SIGKILL')
    rmSync(join(data, segments().at(-1) ?? ''))
    server = await startServer(dir.path)
    expect(server.output()).toContain('the newest of the last process, is missing')
    expect(existsSync(join(data, 'lock'))).toBe(true)
    await server.end('SIGTERM')
  })
})

test.skipIf(canTrace && canUnshare && canMount && canRead('/proc/self/stat'))(
  'this machine lacks strace, namespaces or mounts: some tests were skipped',
  () => {},
)
