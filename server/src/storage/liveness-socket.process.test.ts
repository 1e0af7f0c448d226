import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { nodeDisk } from './disk.ts'
import { thisHost } from './host.ts'
import { isListening, listenAt } from './liveness-socket.ts'
import { Lock } from './lock.ts'
import { StoreLocked } from './store.ts'
import { type Answer, type Command, inAnotherContainer } from './testing/lock-process.ts'
import { newDirectory } from './testing/open-store.ts'

const isLinux = process.platform === 'linux'
const children: ChildProcess[] = []
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
})

/** A process that holds the lock and, as far as the lock can tell, runs in another container. */
async function owner(path: string): Promise<ChildProcess> {
  const child = fork(join(import.meta.dirname, 'testing/lock-process.ts'), {
    execArgv: ['--conditions=@who-is-online/source'],
  })
  children.push(child)
  await once(child, 'message')
  const answer = once(child, 'message')
  child.send({ take: path, hidesPid: true } satisfies Command)
  expect((await answer)[0]).toEqual({ took: true } satisfies Answer)
  return child
}

const starter = inAnotherContainer(thisHost)

describe.skipIf(!isLinux)('an owner in another pid namespace', () => {
  test('[Z7] is respected while it runs, and its lock is free as soon as it ends', async () => {
    const path = join(newDirectory(), 'lock')
    const child = await owner(path)
    await expect(Lock.acquire(nodeDisk, path, starter)).rejects.toThrow(StoreLocked)
    await expect(Lock.acquire(nodeDisk, path, starter)).rejects.toThrow('process 1 of another container')
    child.kill('SIGKILL')
    await once(child, 'exit')
    const lock = await Lock.acquire(nodeDisk, path, starter)
    expect(lock.stale).toBeDefined()
    expect((await readdir(join(path, '..'))).filter(name => name.endsWith('.sock'))).toHaveLength(1)
    await lock.release()
    expect(await readdir(join(path, '..'))).toEqual([])
  })

  test('[Z7] counts as running while it is frozen', async () => {
    const path = join(newDirectory(), 'lock')
    const child = await owner(path)
    child.kill('SIGSTOP')
    for (let attempt = 0; attempt < 30; attempt += 1)
      await expect(Lock.acquire(nodeDisk, path, starter)).rejects.toThrow(StoreLocked)
    child.kill('SIGKILL')
    await once(child, 'exit')
    await (await Lock.acquire(nodeDisk, path, starter)).release()
  })

  test('[Z7] is detected in a directory whose path is too long for a socket', async () => {
    const directory = join(newDirectory(), 'x'.repeat(120), 'y'.repeat(120))
    await mkdir(directory, { recursive: true })
    const path = join(directory, 'lock')
    const child = await owner(path)
    await expect(Lock.acquire(nodeDisk, path, starter)).rejects.toThrow(StoreLocked)
    child.kill('SIGKILL')
    await once(child, 'exit')
    const lock = await Lock.acquire(nodeDisk, path, starter)
    expect(lock.socketProblem).toBeUndefined()
    await lock.release()
    expect(await readdir(directory)).toEqual([])
  })

  test('control: without the socket it would not be detected', async () => {
    const path = join(newDirectory(), 'lock')
    await owner(path)
    const blind = { ...starter, isRunning: (...[it]: Parameters<typeof starter.isRunning>) => it.pid !== 1 }
    await (await Lock.acquire(nodeDisk, path, blind)).release()
  })
})

test('[Z7] on a file system without sockets, the lock is acquired and reports the problem', async () => {
  const path = join(newDirectory(), 'lock')
  const host = { ...starter, openSocket: () => Promise.reject(new Error('ENOTSUP: no sockets here')) }
  const lock = await Lock.acquire(nodeDisk, path, host)
  expect(lock.socketProblem).toContain('ENOTSUP')
  await lock.release()
  expect(await readdir(join(path, '..'))).toEqual([])
})

describe.skipIf(process.platform === 'win32')('a liveness socket', () => {
  test('sends nothing and closes every connection', async () => {
    const path = join(newDirectory(), 'socket')
    const socket = await listenAt(path)
    const peer = connect({ path })
    let heard = ''
    peer.on('data', data => (heard += data))
    peer.write('hello?')
    peer.on('error', () => {})
    await new Promise(resolve => peer.once('close', resolve))
    expect(heard).toBe('')
    socket.close()
    expect(await isListening(path)).toBe(false)
  })

  test('isListening is false for a path that is missing or not a socket', async () => {
    const directory = newDirectory()
    await writeFile(join(directory, 'file'), '')
    const long = 'x'.repeat(200)
    for (const name of ['file', 'missing', join('missing', 'missing'), long, join(long, long)])
      expect(await isListening(join(directory, name))).toBe(false)
  })

  test.skipIf(process.getuid?.() === 0)('fails in a directory that is not writable', async () => {
    await expect(listenAt('/socket')).rejects.toThrow()
  })
})
