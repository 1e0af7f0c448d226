import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { cpus } from 'node:os'

/**
 * The unit of `utime` and `stime`: USER_HZ, which is 100 on every Linux that Node supports
 * (proc_pid_stat(5)).
 */
const TICKS_PER_SECOND = 100

/** The CPU time of all threads of a process, in seconds; `undefined` without /proc. */
export function cpuSeconds(pid: number): number | undefined {
  const stat = readProc(`/proc/${pid}/stat`)
  if (!stat) return undefined
  // The second field is the name in parentheses and may contain spaces. After it, utime and stime are the
  // 12th and 13th field.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
}

/**
 * How long the main thread of a process waited for a core, in seconds; `undefined` if the system does not
 * report it.
 */
export function displacedSeconds(pid: number): number | undefined {
  // Three numbers: time on the core and time waiting for it, in ns, and the number of time slices.
  const waited = readProc(`/proc/${pid}/schedstat`)?.split(' ')[1]
  return waited === undefined ? undefined : Number(waited) / 1e9
}

/** Resident memory of a process in bytes; `undefined` without /proc. */
export function residentBytes(pid: number): number | undefined {
  const kilobytes = /^VmRSS:\s+(\d+) kB/m.exec(readProc(`/proc/${pid}/status`) ?? '')?.[1]
  return kilobytes ? Number(kilobytes) * 1024 : undefined
}

/** The open-file limit of processes. */
export function openFilesLimit(): number {
  const limit = /^Max open files\s+(\d+)/m.exec(readProc('/proc/self/limits') ?? '')?.[1]
  return limit ? Number(limit) : Number.POSITIVE_INFINITY
}

/**
 * A core for the server and one for the load generator; `undefined` if processes can't be pinned to two
 * cores.
 */
export function twoCores(): { server: number; load: number } | undefined {
  const allowed = /^Cpus_allowed_list:\s+(\S+)/m.exec(readProc('/proc/self/status') ?? '')?.[1]
  const [server, load] = (allowed ?? '').split(',').flatMap(range => {
    const [first = Number.NaN, last = first] = range.split('-').map(Number)
    return last > first ? [first, first + 1] : [first]
  })
  if (server === undefined || load === undefined) return undefined
  const works = spawnSync('taskset', ['-c', `${server},${load}`, 'true']).status === 0
  return works ? { server, load } : undefined
}

/** The hardware and software of a result, without the name of the machine. */
export function machine(): { node: string; cpu: string; cores: number; commit?: string } {
  const facts = { node: process.version, cpu: cpus()[0]?.model.trim() ?? 'unknown', cores: cpus().length }
  const commit = currentCommit()
  return commit ? { ...facts, commit } : facts
}

/** The current commit, with a `+` if files were changed. */
function currentCommit(): string | undefined {
  const git = (...args: string[]): string =>
    execFileSync('git', args, {
      cwd: import.meta.dirname,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim()
  try {
    const isChanged =
      git('status', '--porcelain', '--', '../../server', '../../protocol', '..', ':!../results') !== ''
    return `${git('rev-parse', '--short', 'HEAD')}${isChanged ? '+' : ''}`
  } catch {
    return undefined // no git, or not a repository
  }
}

function readProc(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
