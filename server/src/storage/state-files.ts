import { type Disk, removeQuietly } from './disk.ts'
import { type Files, segmentNumber, temporary } from './files.ts'

/** The main file and the backup, and the journal segments that they need. */
export class StateFiles {
  readonly #disk: Disk
  readonly #files: Files
  /** The first segment that the main file needs; `undefined` without a valid main file. */
  #mainNeeds: number | undefined
  /** The first segment that the backup needs. */
  #backupNeeds: number

  constructor(disk: Disk, files: Files, needs: { main: number | undefined; backup: number }) {
    this.#disk = disk
    this.#files = files
    this.#mainNeeds = needs.main
    this.#backupNeeds = needs.backup
  }

  /** The main file is gone or was replaced by another process. */
  mainIsLost(): void {
    this.#mainNeeds = undefined
  }

  /**
   * Makes `snapshot`, the path of a durable file, the main file, and the previous main file the backup. At
   * every step both are complete. `needs` is the first segment that the new main file needs. `kept` are older
   * segments that are kept for the log of changes. @throws errors of the disk
   */
  async publish(snapshot: string, needs: number, kept: ReadonlySet<number>): Promise<void> {
    const { main, backup, directory } = this.#files
    if (this.#mainNeeds !== undefined) await this.#linkOver(main, backup)
    await this.#disk.rename(snapshot, main)
    await this.#disk.syncDirectory(directory)
    if (this.#mainNeeds !== undefined) this.#backupNeeds = this.#mainNeeds
    this.#mainNeeds = needs
    await this.#removeOldSegments(Math.min(needs, this.#backupNeeds), kept)
  }

  /** Gives a file a second name, even if that name exists. A link can't replace a name, but a rename can. */
  async #linkOver(path: string, name: string): Promise<void> {
    const between = temporary(name)
    await this.#disk.remove(between).catch(() => {})
    await this.#disk.link(path, between)
    await this.#disk.rename(between, name)
  }

  /** A segment that can't be removed does no harm. The next save tries again. */
  async #removeOldSegments(firstNeeded: number, kept: ReadonlySet<number>): Promise<void> {
    const names = await this.#disk.list(this.#files.directory).catch(() => [])
    for (const name of names) {
      const journal = segmentNumber(name)
      if (journal !== undefined && journal < firstNeeded && !kept.has(journal))
        await removeQuietly(this.#disk, this.#files.segment(journal))
    }
  }
}
