/** Which lines of a long list are worth having in the page. */
export interface ListWindow {
  readonly from: number
  readonly to: number
}

/** Lines above and below what is seen, so that a short scroll finds them drawn. */
const MARGIN = 8

export function windowOf(top: number, height: number, rowHeight: number, count: number): ListWindow {
  const first = Math.floor(top / rowHeight)
  const seen = Math.ceil(height / rowHeight) + 1
  const to = Math.min(count, first + seen + MARGIN)
  return { from: Math.max(0, Math.min(first - MARGIN, to)), to }
}
