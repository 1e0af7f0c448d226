import { StoreUnusable } from './store.ts'

/**
 * The format in every file that is written. A later version may add to it: new kinds of lines and keys, which this
 * version leaves out. Then it writes a minor number, as in `who-is-online/1.1`. Everything else needs another major
 * number, such as `who-is-online/2`, which this version refuses.
 */
export const FORMAT = 'who-is-online/1'

const MAJOR = 1

/**
 * Whether a file has this format (`same`), or one with additions that this version does not know (`newer`). `undefined`
 * for everything else.
 *
 * @throws StoreUnusable for a newer major format
 */
export function readFormat(format: unknown): 'same' | 'newer' | undefined {
  if (format === FORMAT) return 'same'
  const [, major, minor] = /^who-is-online\/(\d{1,6})(?:\.(\d{1,6}))?$/.exec(String(format)) ?? []
  if (Number(major) > MAJOR) {
    throw new StoreUnusable(
      `the data directory was written by a newer version of the server: its format is ${format}, and this version reads ${FORMAT}; start the newer version again, or use a copy of the directory from before the update (nothing was changed)`,
    )
  }
  return Number(major) === MAJOR && minor !== undefined ? 'newer' : undefined
}
