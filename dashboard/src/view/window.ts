/** The rows of a long list that are in the page. */
export interface ListWindow {
  /** The index of the first row. */
  readonly from: number
  /** The index after the last row. */
  readonly to: number
}

/** Rows above and below the visible ones, so that a short scroll shows rows that are drawn already. */
const MARGIN = 8

/** Returns the rows to draw. `top`, `height` and `rowHeight` are in pixels; `count` is the length of the list. */
export function windowOf(top: number, height: number, rowHeight: number, count: number): ListWindow {
  const first = Math.floor(top / rowHeight)
  const visible = Math.ceil(height / rowHeight) + 1
  const to = Math.min(count, first + visible + MARGIN)
  return { from: Math.max(0, Math.min(first - MARGIN, to)), to }
}

/**
 * Returns the scroll position at which a row is visible, as near as possible to the present one. `top`, `height` and
 * `rowHeight` are in pixels.
 */
export function rowIntoView(index: number, top: number, height: number, rowHeight: number): number {
  const begin = index * rowHeight
  return Math.max(begin + rowHeight - height, Math.min(begin, top))
}
