import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { TestClient } from '@who-is-online/testing/client'
import {
  runInShell,
  type ShellServer,
  serverIn,
  startInShell,
  until,
} from '@who-is-online/testing/shell-server'
import { startServer } from '@who-is-online/testing/start-server'
import { useTemporaryDir } from '@who-is-online/testing/use-temporary-dir'
import { describe, expect, onTestFinished, test } from 'vitest'

// The outputs of the server, console and log files, may fail at any time: the reader of a pipe ends, the
// terminal is closed, the files are removed.

const dir = useTemporaryDir()

const shell = (script: string, settings = {}) => startInShell(dir.path, script, settings)

/** Connects as a web page that the server refuses, so that it logs a line. */
async function refusedPage({ url }: { url: string }): Promise<void> {
  const page = TestClient.open(`${url}?userId=eve`, { headers: { origin: 'https://evil.example' } })
  await expect(page).rejects.toThrow('HTTP 403')
}

/** Waits until the log file reports that the console fails. */
async function consoleFails(server: ShellServer): Promise<void> {
  await until('the log file says that the console fails', async () => {
    await refusedPage(server)
    return server.log().includes('console output can not be written')
  })
}

async function servesAndStops(server: ShellServer): Promise<void> {
  const ann = await TestClient.as(server, 'ann')
  expect((await ann.ask({ type: 'get_online_count' }, 'online_count')).count).toBe(1)
  process.kill(server.pid, 'SIGTERM')
  expect((await ann.closed).code).toBe(1012)
  expect(await server.status()).toBe(0)
  const state = JSON.parse(readFileSync(join(dir.path, 'data', 'user_state.json'), 'utf8'))
  expect(state.users).toEqual([expect.objectContaining({ userId: 'ann', status: 'online' })])
  expect(server.log()).toMatch(/info {2}stopped\n$/)
}

/** The dropped lines by output, from the metrics. */
async function droppedLines({ origin }: { origin: string }): Promise<Record<string, number>> {
  const text = await (await fetch(`${origin}/metrics`)).text()
  const lines = text.matchAll(/^wio_log_lines_dropped_total\{output="(\w+)"\} (\d+)$/gm)
  return Object.fromEntries([...lines].map(([, output, count]) => [output, Number(count)]))
}

const occurrences = (text: string, part: string) => text.split(part).length - 1

describe('[G3] a console that fails', () => {
  test.each([
    ['its reader has ended', './server | head -n 1'],
    ['the reader of both streams has ended', './server 2>&1 | head -n 1'],
    ['it is a full disk', './server > /dev/full 2>&1'],
  ])('%s: the server continues, logs it once in the file, and can be stopped', async (_name, script) => {
    const server = await shell(script)
    await consoleFails(server)
    await refusedPage(server)
    expect(occurrences(server.log(), 'console output can not be written')).toBe(1)
    expect(await droppedLines(server)).toEqual({ console: expect.any(Number), file: 0 })
    expect((await droppedLines(server))['console']).toBeGreaterThan(0)
    await servesAndStops(server)
  })

  const unread = async (script: string) => {
    const server = await shell(script, { LOG_LEVEL: 'debug', LIMITS: 'off' })
    const longId = '\u202e'.repeat(42) // becomes 378 characters in the log line
    await until('lines are dropped', async () => {
      for (let n = 0; n < 50; n++) await (await TestClient.as(server, longId)).leave()
      return ((await droppedLines(server))['console'] ?? 0) > 500
    })
    expect(occurrences(server.log(), 'console output can not be written')).toBe(1)
    const ann = await TestClient.as(server, 'ann')
    process.kill(server.pid, 'SIGTERM')
    expect((await ann.closed).code).toBe(1012)
    expect(await server.status()).toBe(0)
  }

  test('a pipe that nobody reads does not block the server', () => unread('./server 2>&1 | sleep 1000'))

  test.skipIf(!has('script'))('a terminal that is stopped does not block the server', () =>
    unread('script -qfec ./server /dev/null | sleep 1000'),
  )

  test('when it has a reader again, lines are written again, and both outputs log how many are missing', async () => {
    const pipe = join(dir.path, 'console')
    execFileSync('mkfifo', [pipe])
    const server = await shell('head -n 1 < console & ./server > console 2>&1')
    await consoleFails(server)
    const reader = spawn('cat', [pipe])
    onTestFinished(() => void reader.kill())
    let text = ''
    reader.stdout.on('data', data => {
      text += data
    })
    await until('the log file says so', () => /console output can be written again/.test(server.log()))
    expect(text).toMatch(/console output can be written again dropped=\d+/)
    await until('lines reach the console', async () => {
      await refusedPage(server)
      return text.includes('a web page was refused')
    })
  })
})

describe('[G4] log files', () => {
  test('that were removed or renamed are created again', async () => {
    const server = await startServer(dir.path)
    const logs = join(dir.path, 'logs')
    const [file, errors, renamed] = ['who-is-online.log', 'error.log', 'renamed.log'].map(name =>
      join(logs, name),
    ) as [string, string, string]
    const isThere = (path: string) => until(`${path} is there`, () => existsSync(path))
    const writes = () =>
      until('lines are in the file', async () => {
        await refusedPage(server)
        return readFileSync(file, 'utf8').includes('a web page was refused')
      })
    await isThere(errors)

    rmSync(file)
    rmSync(errors)
    await isThere(file) // without any line to write
    await isThere(errors)
    await writes()

    renameSync(file, renamed)
    writeFileSync(file, '')
    await writes()

    rmSync(logs, { recursive: true })
    await isThere(file)
    await writes()
    await server.end('SIGTERM')
    expect(server.output()).not.toContain('log files')
  })

  test('that can not be written are reported once on the console, and again when they can', async () => {
    const server = await startServer(dir.path)
    const logs = join(dir.path, 'logs')
    await until('the file is there', () => existsSync(join(logs, 'who-is-online.log')))
    rmSync(logs, { recursive: true })
    writeFileSync(logs, 'a file where the directory should be')
    await until('the console says so', () => server.output().includes('log files can not be written'))
    await until('lines are dropped', async () => {
      await refusedPage(server)
      return ((await droppedLines(server))['file'] ?? 0) > 1
    })
    rmSync(logs)
    await until('the console says so', () => server.output().includes('log files can be written again'))
    await server.end('SIGTERM')
    expect(occurrences(server.output(), 'log files can not be written')).toBe(1)
    expect(server.output()).not.toMatch(/^ +at /m)
    const text = readFileSync(join(logs, 'who-is-online.log'), 'utf8')
    expect(text).toMatch(/log files can be written again dropped=\d+/)
    expect(text).toMatch(/info {2}stopped\n$/)
  })

  test('[G5] SIGHUP reopens the log files, and clients stay connected', async () => {
    const server = await startServer(dir.path)
    const ann = await TestClient.as(server, 'ann')
    const file = join(dir.path, 'logs', 'who-is-online.log')
    await until('the file is there', () => existsSync(file))
    renameSync(file, `${file}.1`)
    process.kill(server.pid, 'SIGHUP')
    await until('it is there again', () => existsSync(file) && readFileSync(file, 'utf8') !== '')
    expect(readFileSync(file, 'utf8')).toContain('log files reopened')
    expect((await ann.ask({ type: 'get_online_count' }, 'online_count')).count).toBe(1)
    expect(await server.end('SIGTERM')).toBe(0)
  })
})

describe('stopping', () => {
  test('[Q3] the docs start production with the server process itself, not with a package manager', () => {
    for (const path of ['README.md', 'docs/operating.md']) {
      const text = readFileSync(path, 'utf8')
      expect(text).toMatch(/```bash\n[^`]*^AUTH=open node server\/dist\/main\.js$/m)
      expect(text).not.toMatch(/^AUTH=open .*pnpm/m)
    }
    expect(JSON.parse(readFileSync('package.json', 'utf8')).scripts.start).toBe('node server/dist/main.js')
  })

  test.skipIf(!has('script'))('[Q5] a server whose terminal was closed saves and ends', async () => {
    const server = await shell('script -qfec ./server /dev/null')
    const ann = await TestClient.as(server, 'ann')
    process.kill(parentOf(parentOf(server.pid)), 'SIGKILL') // the process `script`; `sh` is between
    expect((await ann.closed).code).toBe(1012)
    await until('it stopped', () => server.log().includes('stopped'))
  })

  test('[Q5] the death of its parent does not end the server', async () => {
    const server = await shell('./server')
    process.kill(parentOf(server.pid), 'SIGKILL')
    const ann = await TestClient.as(server, 'ann')
    process.kill(server.pid, 'SIGTERM')
    expect((await ann.closed).code).toBe(1012)
    await until('it stopped', () => server.log().includes('stopped'))
  })

  test('[Q3] a signal during the start stops the server after it', async () => {
    const late = join(dir.path, 'late.mjs')
    writeFileSync(
      late,
      `import { existsSync } from 'node:fs'
       import { Server } from 'node:net'
       const { listen } = Server.prototype
       Server.prototype.listen = function (...args) {
         if (args[0]?.port === undefined) return listen.apply(this, args)
         const waiting = setInterval(() => {
           if (!existsSync('go on')) return
           clearInterval(waiting)
           listen.apply(this, args)
         }, 10)
       }`,
    )
    const server = runInShell(dir.path, './server', { NODE_OPTIONS: `--import=${late}` })
    const [lock, log] = [join(dir.path, 'data', 'lock'), join(dir.path, 'logs', 'who-is-online.log')]
    const pid = await until('the start has begun', () => existsSync(lock) && serverIn(dir.path))
    process.kill(pid, 'SIGTERM')
    await until('the signal is taken', () => existsSync(log) && /stopping/.test(readFileSync(log, 'utf8')))
    writeFileSync(join(dir.path, 'go on'), '')
    expect(await server.status()).toBe(0)
    expect(existsSync(lock)).toBe(false)
  })

  test('[Q6] an uncaught exception is logged once and ends the server, even if its console is broken', async () => {
    const bug = join(dir.path, 'bug.mjs')
    writeFileSync(bug, `process.once('SIGUSR2', () => setInterval(() => { throw new Error('injected') }, 1))`)
    const server = await shell('./server 2>&1 | head -n 1', { NODE_OPTIONS: `--import=${bug}` })
    await consoleFails(server)
    process.kill(server.pid, 'SIGUSR2')
    expect(await server.status()).toBe(1)
    expect(occurrences(server.log(), '(a bug): the process ends')).toBe(1)
    expect(server.log()).toContain('injected')
  })
})

function has(program: string): boolean {
  return spawnSync('sh', ['-c', `command -v ${program}`]).status === 0
}

function parentOf(pid: number): number {
  return Number(/^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])
}
