import type { Slices } from '../../fanout/slices.ts'

/**
 * Does a long task piece by piece, in turn with the tasks of other requests, so that no request holds up the server.
 *
 * @param count how many items there are
 * @param size how many items a piece has
 * @param piece handles the items from `from` up to, but not including, `to`
 * @throws what `piece` throws
 */
export async function inSlices(
  slices: Slices,
  count: number,
  size: number,
  piece: (from: number, to: number) => void,
): Promise<void> {
  for (let from = 0; from < count; from += size) {
    // The next piece is asked for after this one has ended: within it, its time would not count yet.
    await new Promise<void>((resolve, reject) => {
      slices.do(() => {
        try {
          piece(from, Math.min(from + size, count))
          resolve()
        } catch (error) {
          reject(error)
        }
      })
    })
  }
}
