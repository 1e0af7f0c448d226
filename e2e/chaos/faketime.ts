import { execFileSync } from 'node:child_process'
import { globSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const CACHE = join(import.meta.dirname, '../../node_modules/.cache/faketime')

/**
 * The paths of the library for multi-threaded programs: of the Debian package, and of a local installation.
 */
const PLACES = ['/usr/lib/*/faketime/libfaketimeMT.so.1', '/usr/local/lib/faketime/libfaketimeMT.so.1']

/** A fake clock of a process and its children. It can be set while they run. */
export interface FakeClock {
  /** The environment variables that the process needs. */
  readonly env: Readonly<Record<string, string>>
  /**
   * Sets the wall clock of the process to this many seconds after that of this machine. The steady clock is
   * not affected.
   */
  set(seconds: number): void
}

/**
 * Finds libfaketime: an installed one, or the Debian package, unpacked into `node_modules/.cache`.
 *
 * @throws Error that says what is missing
 */
export function findFaketime(): string {
  const find = () => globSync([...PLACES, join(CACHE, PLACES[0] ?? '')])[0]
  const found = find()
  if (found !== undefined) return found
  mkdirSync(CACHE, { recursive: true })
  const run = (command: string, ...args: string[]) =>
    execFileSync(command, args, { cwd: CACHE, stdio: ['ignore', 'ignore', 'pipe'], timeout: 60_000 })
  try {
    run('apt-get', 'download', 'libfaketime')
    for (const file of globSync('libfaketime_*.deb', { cwd: CACHE })) run('dpkg-deb', '-x', file, CACHE)
  } catch (error) {
    throw new Error(`libfaketime is not installed and can't be fetched: ${(error as Error).message}`)
  }
  const unpacked = find()
  if (unpacked === undefined) throw new Error('the package libfaketime has no libfaketimeMT.so.1')
  return unpacked
}

/** Creates a clock that is correct until it is set. Its offset is stored in `file`. */
export function createFakeClock(library: string, file: string): FakeClock {
  const set = (seconds: number): void => {
    // Renamed into place, so that no process reads a partial file.
    writeFileSync(`${file}.tmp`, `${seconds < 0 ? '' : '+'}${seconds}\n`)
    renameSync(`${file}.tmp`, file)
  }
  set(0)
  return {
    set,
    env: {
      LD_PRELOAD: library,
      FAKETIME_TIMESTAMP_FILE: file,
      FAKETIME_NO_CACHE: '1',
      // Do not fake the steady clock. The name of the variable differs between versions.
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      DONT_FAKE_MONOTONIC: '1',
      // Do not fake the times of files.
      NO_FAKE_STAT: '1',
    },
  }
}

/** A program that prints the wall clock and the steady clock for each line that it reads. */
const CLOCKS = `process.stdin.on('data', () => process.stdout.write(Date.now() + ' ' + performance.now() + '\\n'))`

/**
 * Checks that Node sees the fake wall clock, and a steady clock that does not jump.
 *
 * @throws Error that says what Node saw instead
 */
export async function checkFaketime(library: string): Promise<void> {
  const { spawn } = await import('node:child_process')
  const dir = mkdtempSync(join(tmpdir(), 'who-is-online-'))
  const clock = createFakeClock(library, join(dir, 'clock'))
  const child = spawn(process.execPath, ['-e', CLOCKS], {
    env: { ...clock.env },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const readClocks = async (): Promise<{ wall: number; steady: number }> => {
    const line = new Promise<string>((resolve, reject) => {
      child.stdout.once('data', data => resolve(String(data)))
      child.once('exit', () => reject(new Error('Node does not start with libfaketime')))
    })
    child.stdin.write('\n')
    const [wall = 0, steady = 0] = (await line).split(' ').map(Number)
    return { wall, steady }
  }
  try {
    const first = await readClocks()
    for (const seconds of [3_600, 10 - Math.floor(Date.now() / 1_000), -3_600, 0]) {
      clock.set(seconds)
      const { wall, steady } = await readClocks()
      const right = Date.now() + seconds * 1_000
      if (Math.abs(wall - right) > 5_000) throw new Error(`with the clock at ${seconds} s Node saw ${wall}`)
      if (steady < first.steady || steady > first.steady + 60_000)
        throw new Error(`the steady clock jumped from ${first.steady} to ${steady}`)
    }
  } finally {
    child.kill('SIGKILL')
    rmSync(dir, { recursive: true, force: true })
  }
}
