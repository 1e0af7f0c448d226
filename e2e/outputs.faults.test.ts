import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { TestClient } from '@who-is-online/testing/client'
import {
  runInShell,
  type ShellServer,
  serverIn,
  startInShell,
  until,
} from '@who-is-online/testing/shell-server'
import { type ServerSettings, startServer } from '@who-is-online/testing/start-server'
import { useTemporaryDir } from '@who-is-online/testing/use-temporary-dir'
import { describe, expect, onTestFinished, test } from 'vitest'

// Disks that hang or are full, and a server that is pid 1. Needs strace, and root for namespaces and mounts.

/** The promise is 10 s; a busy machine may measure slightly more. */
const STOPPED_MS = 11_000

const canTrace = spawnSync('strace', ['-f', 'true']).status === 0
const canMount = spawnSync('unshare', ['-m', 'true']).status === 0
const canBePid1 = spawnSync('unshare', ['-p', '-f', '--mount-proc', 'true']).status === 0

const dir = useTemporaryDir()

const shell = (script: string, settings = {}) => startInShell(dir.path, script, settings)

/**
 * Delays these system calls of a running process. Returns a function that ends the delay: a delayed thread
 * can be killed, but stays visible while strace is attached.
 */
async function delay(pid: number, calls: string, ms: number): Promise<() => void> {
  const inject = `inject=${calls}:delay_enter=${ms * 1_000}`
  const strace = spawn('strace', ['-f', '-p', String(pid), '-e', `trace=${calls}`, '-e', inject])
  onTestFinished(() => void strace.kill('SIGKILL'))
  let output = ''
  strace.stderr.on('data', data => {
    output += data
  })
  await until('strace is attached', () => /attached/.test(output))
  return () => void strace.kill('SIGKILL')
}

/**
 * Sends SIGTERM. Returns the exit status and how long it took, in ms. `release` is called when the process
 * was killed.
 */
async function stopped(server: { pid: number; status: ShellServer['status'] }, release = () => {}) {
  const begun = performance.now()
  process.kill(server.pid, 'SIGTERM')
  await until('the server ends', () => isGone(server.pid))
  const ms = performance.now() - begun
  release()
  return { status: await server.status(), ms }
}

/** Whether a process has ended. It is a zombie until its parent has read its status. */
function isGone(pid: number): boolean {
  try {
    return /^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return true
  }
}

/**
 * Returns settings with which a start hangs in a thread, as on a disk that hangs: in the place of the state file, it
 * opens an empty pipe.
 */
function hangingStart(): ServerSettings {
  const [pipe, module] = [join(dir.path, 'pipe'), join(dir.path, 'hang.mjs')]
  execFileSync('mkfifo', [pipe])
  mkdirSync(join(dir.path, 'data'), { recursive: true })
  writeFileSync(join(dir.path, 'data', 'user_state.json'), '[]')
  writeFileSync(
    module,
    `import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
const { open } = fs.promises
fs.promises.open = (path, flags, mode) =>
  String(path).endsWith('user_state.json') ? open(${JSON.stringify(pipe)}, 'r') : open(path, flags, mode)
syncBuiltinESMExports()
`,
  )
  return { NODE_OPTIONS: `--import=${module}` }
}

/** Waits for the server whose start hangs. Returns its pid. */
function hangingServer(): Promise<number> {
  const lock = join(dir.path, 'data', 'lock')
  return until('the start has begun', () => existsSync(lock) && serverIn(dir.path))
}

describe.skipIf(!canTrace)('[Q7] a disk that hangs', () => {
  test.each(['fdatasync', 'fsync', 'rename'])(
    'in %s: the process ends within 10 s, and what was saved is there',
    async call => {
      const server = await shell('./server')
      await (await TestClient.as(server, 'ann')).ask(
        { type: 'set_status', status: 'online' },
        'status_updated',
      )
      await until('ann is saved', () => saved().includes('"ann"'))
      const release = await delay(server.pid, call, 40_000)
      const bob = await TestClient.as(server, 'bob')
      const { status, ms } = await stopped(server, release)
      expect((await bob.closed).code).toBe(1012)
      expect(status).toBe(137)
      expect(ms).toBeLessThan(STOPPED_MS)

      const next = await startServer(dir.path)
      const looker = await TestClient.as(next, 'looker')
      expect(
        (await looker.ask({ type: 'check_user_status', targetUserId: 'ann' }, 'user_status')).lastSeen,
      ).not.toBeNull()
      await next.end('SIGTERM')
      console.log(`hanging ${call}: N 1, ended after ${Math.round(ms)} ms with ${status}`)
    },
  )

  test('negative control: with a short delay the process ends with 0', async () => {
    const server = await shell('./server')
    await delay(server.pid, 'fdatasync,fsync,rename', 5)
    await TestClient.as(server, 'bob')
    expect((await stopped(server)).status).toBe(0)
  })
})

describe('[Q7] without strace', () => {
  test('a start that hangs: SIGTERM ends it within 10 s', async () => {
    const { status } = runInShell(dir.path, './server', hangingStart())
    const { status: code, ms } = await stopped({ pid: await hangingServer(), status })
    expect(code).toBe(137)
    expect(ms).toBeLessThan(STOPPED_MS)
  })

  test('[Q4] a start that hangs: a second signal ends it at once', async () => {
    const { status } = runInShell(dir.path, './server', hangingStart())
    const pid = await hangingServer()
    setTimeout(() => process.kill(pid, 'SIGTERM'), 1_000)
    const { status: code, ms } = await stopped({ pid, status })
    expect(code).toBe(137)
    expect(ms).toBeLessThan(5_000)
  })

  test('[G4] log files that hang are reported on the console; the server continues, saves and ends within 10 s', async () => {
    mkdirSync(join(dir.path, 'logs'))
    execFileSync('mkfifo', [join(dir.path, 'logs', 'who-is-online.log')])
    const server = await startServer(dir.path)
    await until('the console says so', () => server.output().includes('log files can not be written'))
    const ann = await TestClient.as(server, 'ann')
    const begun = performance.now()
    const ended = server.end('SIGTERM')
    expect((await ann.closed).code).toBe(1012)
    await ended
    expect(performance.now() - begun).toBeLessThan(STOPPED_MS)
    expect(server.output()).toContain('stopped')
    expect(saved()).toContain('"ann"')
  })
})

describe.skipIf(!canMount)('[G4] the volume of the log files', () => {
  const begin = (options: string) =>
    shell(
      `mkdir -p logs; unshare -m sh -c 'mount -t tmpfs ${options} tmpfs logs && ./server > console.txt 2>&1'`,
    )
  const consoleText = () => readFileSync(join(dir.path, 'console.txt'), 'utf8')
  /** The log directory as the server sees it. */
  const logs = (server: ShellServer) => `/proc/${server.pid}/root${dir.path}/logs`
  const inside = (server: ShellServer, ...command: string[]) =>
    execFileSync('nsenter', ['-t', String(server.pid), '-m', ...command])
  /** Makes the server log a long line: a full volume still has space for the rest of a page. */
  const refusedPage = ({ url }: ShellServer) =>
    TestClient.open(`${url}?userId=eve`, {
      headers: { origin: `https://${'evil.'.repeat(100)}example` },
    }).catch(() => {})

  test('is full, and has space again', async () => {
    const server = await begin('-o size=256k')
    const file = join(logs(server), 'who-is-online.log')
    await until('the file is there', () => existsSync(file))
    expect(consoleText()).not.toContain('log files') // negative control
    const filler = join(logs(server), 'filler')
    expect(() => {
      for (let size = 4_096; ; size += 4_096) writeFileSync(filler, 'x'.repeat(size))
    }).toThrow('ENOSPC')
    await until('the console says so', async () => {
      await refusedPage(server)
      return consoleText().includes('log files can not be written: lines are dropped reason="ENOSPC')
    })
    rmSync(filler)
    await until('the console says so', () => consoleText().includes('log files can be written again'))
    await refusedPage(server)
    const text = await until('lines are written', () => {
      const written = readFileSync(file, 'utf8')
      return (
        /log files can be written again dropped=\d+\n(.*\n)*.*a web page was refused/.test(written) && written
      )
    })
    expect(text).not.toMatch(/^ +at /m)
    // No line continues another one, even if one was cut.
    expect(
      text.split('\n').filter(line => line.match(/\d\d:\d\d:\d\d\.\d\d\d /g)?.length !== 1).length,
    ).toBeLessThanOrEqual(2)
    expect((await stopped(server)).status).toBe(0)
    console.log(`full log volume: N 1, said ${consoleText().split('log files can not').length - 1} times`)
  })

  test('is read-only at the start, then writable, then unmounted', async () => {
    const server = await begin('-o ro')
    await until('the console says so', () => /log files can not be written.*EROFS/.test(consoleText()))
    inside(server, 'mount', '-o', 'remount,rw', join(dir.path, 'logs'))
    await until('the file is there', () => existsSync(join(logs(server), 'who-is-online.log')))
    await until('the console says so', () => consoleText().includes('log files can be written again'))
    inside(server, 'umount', '-l', join(dir.path, 'logs'))
    await until(
      'the file is in the directory below',
      () => server.log() !== '' || refusedPage(server).then(() => false),
    )
    expect((await stopped(server)).status).toBe(0)
    expect(server.log()).toContain('stopped')
  })
})

describe.skipIf(!canBePid1)('[Q3] as pid 1 of a container', () => {
  const PID_1 = 'unshare -p -f --mount-proc $SERVER > console.txt 2>&1; echo $? > status'
  const begin = () => shell(PID_1)

  test.each(['SIGTERM', 'SIGINT'] as const)('%s saves and ends with 0', async signal => {
    const server = await begin()
    const ann = await TestClient.as(server, 'ann')
    process.kill(server.pid, signal)
    expect((await ann.closed).code).toBe(1012)
    expect(await server.status()).toBe(0)
    expect(saved()).toContain('"ann"')
  })

  test('[G5] SIGHUP reopens the log files', async () => {
    const server = await begin()
    process.kill(server.pid, 'SIGHUP')
    await until('they are', () => server.log().includes('log files reopened'))
    expect((await stopped(server)).status).toBe(0)
  })

  test('[Q7] it ends within 10 s even if a thread hangs and it can not kill itself', async () => {
    const { status } = runInShell(dir.path, PID_1, hangingStart())
    const { status: code, ms } = await stopped({ pid: await hangingServer(), status })
    expect([137, 139]).toContain(code) // Node before 22.15 can only abort
    expect(ms).toBeLessThan(STOPPED_MS)
  })
})

/** The content of the state file and the journal. */
function saved(): string {
  return execFileSync('sh', ['-c', 'cat data/user_state*'], { cwd: dir.path, encoding: 'utf8' })
}
