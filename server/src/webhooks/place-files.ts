import { createHash } from 'node:crypto'
import { resolve } from 'node:path'
import { nodeDisk, readIfThere } from '../storage/disk.ts'
import { filesIn, temporary } from '../storage/files.ts'
import { writeFile } from '../storage/lock-file.ts'
import { decodePlace, encodePlace, type StoredPlace } from './batch.ts'

/** The port for where the places of endpoints survive a restart. Endpoints are known by their URLs. */
export interface PlaceStore {
  /** The place that was saved last; `undefined` without one. @throws Error when it can't be read */
  load(url: string): Promise<StoredPlace | undefined>
  /** Resolves when the place survives a power cut. @throws Error when it can't be written */
  save(url: string, place: StoredPlace): Promise<void>
}

/** Keeps each place in a file `webhook-HASH.json` of the data directory, which this process must own. */
export function createPlaceFiles(dataDir: string): PlaceStore {
  const files = filesIn(resolve(dataDir))
  // A URL may be a secret, and need not be a name for a file.
  const pathOf = (url: string): string =>
    files.inDirectory(`webhook-${createHash('sha256').update(url).digest('hex').slice(0, 16)}.json`)
  return {
    async load(url) {
      const content = await readIfThere(nodeDisk, pathOf(url))
      return content && decodePlace(content.toString())
    },

    async save(url, place) {
      const path = pathOf(url)
      await writeFile(nodeDisk, temporary(path), Buffer.from(encodePlace(place)))
      await nodeDisk.rename(temporary(path), path)
      await nodeDisk.syncDirectory(files.directory)
    },
  }
}
