import { chmod, type FileHandle, open, rename, unlink } from 'node:fs/promises'
import { connect, createServer, type Server } from 'node:net'
import { basename, dirname, join } from 'node:path'
import { codeOf } from './disk.ts'

/** A sign of life that the kernel takes away with the process. */
export interface LivenessSocket {
  /** Stops listening. The file stays: it may have been replaced by a newer socket. */
  close(): void
}

/** A frozen owner accepts nobody, so what waits here is all that the kernel keeps for it. */
const BACKLOG = 8

/**
 * Listens on a Unix socket under this path, and sends nothing to a peer that connects. A socket with a path is found
 * through the file system, so it works across pid and network namespaces, that is between the containers of one
 * host. The kernel stops listening when the process ends, however it ends; a frozen process goes on listening.
 *
 * The socket file gets its name when it is listening: under its name it is never one that does not answer yet.
 *
 * @throws where the file system can't hold sockets, or does not connect them.
 */
export async function listenAt(path: string): Promise<LivenessSocket> {
  const fresh = `${path}.new`
  const server = createServer(peer => {
    peer.on('error', () => {})
    peer.destroy()
  })
  server.unref()
  try {
    await withShortPath(fresh, short => listening(server, short))
    server.on('error', () => {}) // a peer that could not be accepted is no one's loss
    await chmod(fresh, 0o600)
    await rename(fresh, path)
    if (!(await isListening(path))) throw new Error('a socket in it does not answer')
  } catch (error) {
    server.close()
    await unlink(fresh).catch(() => {})
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

/** How long to wait for an answer. The kernel gives it at once; a file system in between may not. */
const ANSWER_MS = 2_000

/**
 * Whether somebody listens on the socket under this path. A full queue (EAGAIN) and a refusal by the system
 * (EACCES, EPERM: a security module lets us not talk to that container) mean that somebody does.
 */
export async function isListening(path: string): Promise<boolean> {
  try {
    return await withShortPath(path, connects)
  } catch (error) {
    const code = codeOf(error)
    if (code === 'ENOENT' || code === 'ENOTDIR') return false // the directory is not there
    throw error
  }
}

function connects(path: string): Promise<boolean> {
  return new Promise(resolve => {
    const peer = connect({ path })
    const answer = (isUp: boolean): void => {
      clearTimeout(patience)
      peer.destroy()
      resolve(isUp)
    }
    const patience = setTimeout(() => answer(true), ANSWER_MS)
    peer.once('connect', () => answer(true))
    peer.on('error', error => answer(!NOBODY.has(codeOf(error))))
  })
}

/** What connect(2) answers where nobody listens: no listener, no file, no socket, or a name that none can have. */
const NOBODY: ReadonlySet<string | undefined> = new Set([
  'ECONNREFUSED',
  'ENOENT',
  'ENOTDIR',
  'ENOTSOCK',
  'ENAMETOOLONG',
  'EINVAL',
])

/** A socket's path has at most 107 bytes on Linux, and 103 on macOS. */
const LONGEST_PATH = 100

/**
 * Calls back with a path for the same file that is short enough for a socket: through a handle of its directory,
 * which Linux shows in /proc. Where there is no /proc, a path that is too long is refused by the system.
 */
async function withShortPath<T>(path: string, use: (path: string) => Promise<T>): Promise<T> {
  if (Buffer.byteLength(path) <= LONGEST_PATH) return use(path)
  const directory: FileHandle = await open(dirname(path), 'r')
  try {
    return await use(join('/proc/self/fd', String(directory.fd), basename(path)))
  } finally {
    await directory.close()
  }
}
