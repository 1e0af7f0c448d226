import { resolve } from 'node:path'
import { nodeDisk, readIfThere } from '../storage/disk.ts'
import { filesIn, temporary } from '../storage/files.ts'
import { writeFile } from '../storage/lock-file.ts'
import { decodePlace, encodePlace } from './batch.ts'
import { endpointKey, type PlaceStore } from './places.ts'

/**
 * Keeps each place in a file `webhook-HASH.json` of the data directory, which this process must own. A place that was
 * saved survives a power cut.
 */
export function createPlaceFiles(dataDir: string): PlaceStore {
  const files = filesIn(resolve(dataDir))
  const pathOf = (url: string): string => files.inDirectory(`webhook-${endpointKey(url)}.json`)
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
