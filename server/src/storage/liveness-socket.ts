import { chmod, type FileHandle, open, rename, unlink } from 'node:fs/promises'
import { connect, createServer, type Server } from 'node:net'
import { basename, dirname, join } from 'node:path'
import { codeOf } from './disk.ts'

/** A Unix socket that shows that this process is running. The kernel closes it when the process ends. */
export interface LivenessSocket {
  /** Stops listening. The file stays, because a newer socket may have replaced it. */
  close(): void
}

/** A frozen owner accepts no connections, so this is the number of checks that the kernel queues for it. */
const BACKLOG = 8

/**
 * Listens on a Unix socket at `path`. It sends nothing to a peer that connects. A socket with a path is found
 * through the file system, so it works across pid and network namespaces, that is, between the containers of
 * one host. The kernel stops listening when the process ends for any reason; a frozen process continues to
 * listen.
 *
 * The socket listens before its file gets this name, so a socket file under this name always answers.
 *
 * @throws Error when the file system does not support sockets, or does not connect them.
 */
export async function listenAt(path: string): Promise<LivenessSocket> {
  const temporaryPath = `${path}.new`
  const server = createServer(peer => {
    peer.on('error', () => {})
    peer.destroy()
  })
  server.unref()
  try {
    await withShortPath(temporaryPath, short => listening(server, short))
    server.on('error', () => {}) // failing to accept one peer does no harm
    await chmod(temporaryPath, 0o600)
    await rename(temporaryPath, path)
    if (!(await isListening(path))) throw new Error('a socket in this directory does not answer')
  } catch (error) {
    server.close()
    await unlink(temporaryPath).catch(() => {})
    await unlink(path).catch(() => {})
    throw error
  }
  return { close: () => void server.close() }
}

function listening(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ path, backlog: BACKLOG }, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

/** How long to wait for an answer. The kernel answers at once; a network file system in between may not. */
const ANSWER_TIMEOUT_MS = 2_000

/**
 * Whether a process listens on the socket at `path`. A full queue (EAGAIN) and a refusal by the system
 * (EACCES, EPERM: a security module may forbid connections between containers) count as listening, and so
 * does no answer in time.
 */
export async function isListening(path: string): Promise<boolean> {
  try {
    return await withShortPath(path, connects)
  } catch (error) {
    const code = codeOf(error)
    if (code === 'ENOENT' || code === 'ENOTDIR') return false // the directory does not exist
    throw error
  }
}

function connects(path: string): Promise<boolean> {
  return new Promise(resolve => {
    const peer = connect({ path })
    const finish = (isUp: boolean): void => {
      clearTimeout(timeout)
      peer.destroy()
      resolve(isUp)
    }
    const timeout = setTimeout(() => finish(true), ANSWER_TIMEOUT_MS)
    peer.once('connect', () => finish(true))
    peer.on('error', error => finish(!NOT_LISTENING.has(codeOf(error))))
  })
}

/**
 * The errors of connect(2) when no process listens: no listener, no file, not a socket, or an impossible
 * name.
 */
const NOT_LISTENING: ReadonlySet<string | undefined> = new Set([
  'ECONNREFUSED',
  'ENOENT',
  'ENOTDIR',
  'ENOTSOCK',
  'ENAMETOOLONG',
  'EINVAL',
])

/** The path of a socket has at most 107 bytes on Linux, and 103 on macOS. */
const MAX_PATH_BYTES = 100

/**
 * Calls `use` with a path for the same file that is short enough for a socket. Longer paths go through a
 * handle of the directory, which Linux shows in /proc. On systems without /proc, the system rejects a path
 * that is too long.
 */
async function withShortPath<T>(path: string, use: (path: string) => Promise<T>): Promise<T> {
  if (Buffer.byteLength(path) <= MAX_PATH_BYTES) return use(path)
  const directory: FileHandle = await open(dirname(path), 'r')
  try {
    return await use(join('/proc/self/fd', String(directory.fd), basename(path)))
  } finally {
    await directory.close()
  }
}
