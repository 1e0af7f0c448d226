import { readFileSync, readlinkSync } from 'node:fs'
import { codeOf } from './disk.ts'
import { isListening, type LivenessSocket, listenAt } from './liveness-socket.ts'

/**
 * Who holds a lock. A pid alone is not enough: pids are used again, and every container has its own pid 1. With its
 * start time, its pid namespace and the boot of the machine it names one process for good.
 */
export interface Owner {
  readonly pid: number
  /** Clock ticks from the boot to its start; unknown where there is no /proc. */
  readonly started?: string
  readonly boot?: string
  /** The pid namespace, such as `pid:[4026531836]`. Unknown on other systems than Linux, and in older locks. */
  readonly namespace?: string
  /** Made up for each lock. Names its socket too. */
  readonly id?: string
}

/** The processes of this machine, as a lock sees them. */
export interface Host {
  readonly self: Owner
  /** Whether that process, and not another one with its pid, is running. `lock` is the path of the lock it holds. */
  isRunning(owner: Owner, lock: string): boolean | Promise<boolean>
  /**
   * Shows that this process is running, until it ends or closes the answer, also to processes in other containers.
   * `undefined` where the system can't do that. @throws where the file system can't.
   */
  light?(lock: string, id: string): Promise<LivenessSocket | undefined>
}

/** The locks that this process holds, by id. */
export const locksOfThisProcess = new Set<string>()

export const thisHost: Host = {
  get self() {
    return {
      pid: process.pid,
      ...known('started', startOf('self')),
      ...known('boot', bootId()),
      ...known('namespace', pidNamespace()),
    }
  },

  async isRunning(owner, lock) {
    const { pid, started, boot, namespace, id } = owner
    const isHere = namespace === undefined || namespace === pidNamespace()
    if (isHere && pid === process.pid) return id !== undefined && locksOfThisProcess.has(id)
    if (id !== undefined && LOCK_ID.test(id) && (await isListening(socketOf(lock, id)))) return true
    // Without a listener the pid decides, where it means anything: on this boot and in this namespace.
    if (!isHere || (boot !== undefined && boot !== bootId())) return false
    return started === undefined ? answers(pid) : startOf(pid) === started
  },

  async light(lock, id) {
    if (process.platform === 'win32') return undefined
    return listenAt(socketOf(lock, id))
  },
}

/** An id as locks have it. One from a garbled lock must not become part of a path. */
const LOCK_ID = /^[-0-9a-f]{36}$/

/** The socket on which the owner of a lock listens while it runs. */
export function socketOf(lock: string, id: string): string {
  return `${lock}.${id}.sock`
}

function known<K extends string>(key: K, value: string | undefined): { [key in K]?: string } {
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
 * Field 22 of proc(5) stat. Field 2 is the program's name in parentheses and may hold anything, `) ` too. `self` is
 * right even where /proc shows the pids of another namespace.
 */
function startOf(pid: number | 'self'): string | undefined {
  const stat = readProc(`/proc/${pid}/stat`)
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ')
  // A zombie (state Z) or a dead process (X) holds nothing any more and only waits for its parent.
  return fields?.[0] === 'Z' || fields?.[0] === 'X' ? undefined : fields?.[19]
}

function readProc(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

function answers(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return codeOf(error) === 'EPERM' // it is there, and belongs to another user
  }
}
