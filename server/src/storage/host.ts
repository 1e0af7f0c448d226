import { readFileSync, readlinkSync } from 'node:fs'
import { codeOf } from './disk.ts'
import { isListening, type LivenessSocket, listenAt } from './liveness-socket.ts'

/**
 * The process that holds a lock. A pid alone is not enough: pids are reused, and every container has its own
 * pid 1. Together with the start time, the pid namespace and the boot id it identifies one process.
 */
export interface Owner {
  readonly pid: number
  /** Start time of the process in clock ticks since boot; unknown on systems without /proc. */
  readonly started?: string
  /** The boot id of the machine. */
  readonly boot?: string
  /**
   * The pid namespace, such as `pid:[4026531836]`. Unknown on systems other than Linux and in older locks.
   */
  readonly namespace?: string
  /** A random id of the lock. It is part of the name of the liveness socket. */
  readonly id?: string
}

/** The port through which a lock sees the processes of this machine. */
export interface Host {
  /** This process. */
  readonly self: Owner
  /**
   * Whether exactly this process is running, and not another one with the same pid. `lock` is the path of its
   * lock.
   */
  isRunning(owner: Owner, lock: string): boolean | Promise<boolean>
  /**
   * Opens the liveness socket of a lock, through which processes in other containers see that this process is
   * running. Returns `undefined` if the system does not support it. @throws Error if the file system does
   * not.
   */
  openSocket?(lock: string, id: string): Promise<LivenessSocket | undefined>
}

/** The ids of the locks that this process holds. */
export const locksOfThisProcess = new Set<string>()

/** The real host. */
export const thisHost: Host = {
  get self() {
    return {
      pid: process.pid,
      ...optionalField('started', startTimeOf('self')),
      ...optionalField('boot', bootId()),
      ...optionalField('namespace', pidNamespace()),
    }
  },

  async isRunning(owner, lock) {
    const { pid, started, boot, namespace, id } = owner
    const isHere = namespace === undefined || namespace === pidNamespace()
    if (isHere && pid === process.pid) return id !== undefined && locksOfThisProcess.has(id)
    if (id !== undefined && LOCK_ID.test(id) && (await isListening(socketOf(lock, id)))) return true
    // Without a listener, the pid decides. It is meaningful only in the same boot and the same namespace.
    if (!isHere || (boot !== undefined && boot !== bootId())) return false
    return started === undefined ? exists(pid) : startTimeOf(pid) === started
  },

  async openSocket(lock, id) {
    if (process.platform === 'win32') return undefined
    return listenAt(socketOf(lock, id))
  },
}

/** The form of a lock id. An id from a damaged lock must not become part of a path. */
const LOCK_ID = /^[-0-9a-f]{36}$/

/** The path of the liveness socket of a lock. */
export function socketOf(lock: string, id: string): string {
  return `${lock}.${id}.sock`
}

function optionalField<K extends string>(key: K, value: string | undefined): { [key in K]?: string } {
  return value === undefined ? {} : ({ [key]: value } as { [key in K]?: string })
}

function bootId(): string | undefined {
  return readProc('/proc/sys/kernel/random/boot_id')?.trim()
}

function pidNamespace(): string | undefined {
  try {
    return readlinkSync('/proc/self/ns/pid')
  } catch {
    return undefined
  }
}

/**
 * The start time of a process: field 22 of /proc/PID/stat, see proc(5). Field 2 is the program name in
 * parentheses and may contain any text, even `) `. `self` works even if /proc shows the pids of another
 * namespace.
 */
function startTimeOf(pid: number | 'self'): string | undefined {
  const stat = readProc(`/proc/${pid}/stat`)
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ')
  // A zombie (state Z) or dead process (X) holds no resources and only waits for its parent.
  return fields?.[0] === 'Z' || fields?.[0] === 'X' ? undefined : fields?.[19]
}

function readProc(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

/** Whether any process has this pid. */
function exists(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return codeOf(error) === 'EPERM' // it exists, but belongs to another user
  }
}
