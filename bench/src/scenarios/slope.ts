/** The resident memory with a number of items. */
export interface Point {
  count: number
  bytes: number | undefined
}

/** The bytes per item by least squares; `undefined` if a point is. */
export function slope(points: readonly Point[]): number | undefined {
  const mean = { x: 0, y: 0 }
  for (const { count, bytes } of points) {
    if (bytes === undefined) return undefined
    mean.x += count / points.length
    mean.y += bytes / points.length
  }
  let over = 0
  let under = 0
  for (const { count, bytes = 0 } of points) {
    over += (count - mean.x) * (bytes - mean.y)
    under += (count - mean.x) ** 2
  }
  return over / under
}
