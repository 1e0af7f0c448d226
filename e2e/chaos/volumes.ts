import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Volume } from './fault.ts'

const SIZES_MIB: Readonly<Record<Volume, number>> = { data: 8, log: 4 }

/** Arguments of `setpriv`: the children end with the test process. */
export const DIES_WITH_PARENT = ['--pdeathsig', 'KILL']

/** Two small volumes in a mount namespace. They can be filled and emptied. Needs root. */
export class Volumes {
  /** The directory of all files of a run. The volumes are mounted in it, inside the namespace only. */
  readonly dir: string
  readonly #holder: ChildProcess

  private constructor(dir: string, holder: ChildProcess) {
    this.dir = dir
    this.#holder = holder
  }

  /** Creates the namespace and mounts the volumes. Rejects if that is not allowed here. */
  static async create(): Promise<Volumes> {
    const dir = mkdtempSync(join(tmpdir(), 'who-is-online-edges-'))
    for (const volume of ['data', 'log']) mkdirSync(join(dir, volume))
    const mount = (volume: Volume) =>
      `mount -t tmpfs -o size=${SIZES_MIB[volume]}m,mode=700 tmpfs "${join(dir, volume)}"`
    // The namespace and its mounts end with the last process in it.
    const script = `${mount('data')} && ${mount('log')} && echo ready && exec sleep infinity`
    const command = ['unshare', '--mount', '--propagation', 'private', 'sh', '-c', script]
    const holder = spawn('setpriv', [...DIES_WITH_PARENT, ...command], { stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    const isReady = await new Promise<boolean>(resolve => {
      holder.once('error', error => {
        output += error.message
        resolve(false)
      })
      holder.once('exit', () => resolve(false))
      for (const stream of [holder.stdout, holder.stderr]) {
        stream.on('data', data => {
          output += data
          if (output.includes('ready')) resolve(true)
        })
      }
    })
    if (!isReady) {
      rmSync(dir, { recursive: true, force: true })
      throw new Error(`can't create a mount namespace with volumes: ${output.trim()}`)
    }
    return new Volumes(dir, holder)
  }

  /** A command that runs another one inside the namespace. */
  get enter(): string[] {
    return ['nsenter', `--mount=/proc/${this.#holder.pid}/ns/mnt`, `--wd=${this.dir}`]
  }

  /** The data directory of the server, as seen from inside. */
  get dataDir(): string {
    return join(this.dir, 'data', 'state')
  }

  /** The log directory of the server, as seen from inside. */
  get logDir(): string {
    return join(this.dir, 'log', 'files')
  }

  /** Fills a volume completely. */
  fill(volume: Volume): void {
    const file = openSync(this.#path(volume, 'filler'), 'a')
    try {
      for (const size of [65_536, 4_096, 1]) {
        try {
          for (;;) writeSync(file, Buffer.alloc(size))
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
        }
      }
    } finally {
      closeSync(file)
    }
  }

  empty(volume: Volume): void {
    rmSync(this.#path(volume, 'filler'), { force: true })
  }

  /** Removes a directory of the server with its content, while the server may write to it. */
  remove(volume: Volume): void {
    const directory = this.#path(volume, volume === 'data' ? 'state' : 'files')
    // In another process: with a slow disk, it would block the observers of this one.
    execFileSync('sh', ['-c', 'for n in 1 2 3 4 5; do rm -rf "$0" && exit 0; done; exit 1', directory])
  }

  /** Writes a state file for the first start of the server. */
  importState(text: string): void {
    mkdirSync(this.#path('data', 'state'), { mode: 0o700 })
    writeFileSync(this.#path('data', 'state', 'user_state.json'), text, { mode: 0o600 })
  }

  hasState(): boolean {
    return existsSync(this.#path('data', 'state', 'user_state.json'))
  }

  /** The inode and size of the log file; `undefined` if it does not exist. */
  logFile(): { readonly inode: number; readonly bytes: number } | undefined {
    const stat = statSync(this.#path('log', 'files', 'who-is-online.log'), { throwIfNoEntry: false })
    return stat && { inode: stat.ino, bytes: stat.size }
  }

  /** Ends the namespace, and so the volumes, and removes the directory. */
  async dispose(): Promise<void> {
    const gone = new Promise(resolve => this.#holder.once('exit', resolve))
    if (this.#holder.exitCode === null && this.#holder.signalCode === null) {
      this.#holder.kill('SIGKILL')
      await gone
    }
    rmSync(this.dir, { recursive: true, force: true })
  }

  /** Does the same synchronously, for the exit of this process. */
  destroy(): void {
    this.#holder.kill('SIGKILL')
    rmSync(this.dir, { recursive: true, force: true })
  }

  /** A path on a volume, as seen from outside the namespace. */
  #path(volume: Volume, ...names: string[]): string {
    return join(`/proc/${this.#holder.pid}/root`, this.dir, volume, ...names)
  }
}
