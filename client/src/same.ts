/**
 * Returns whether two objects are equal as JSON: a key that is undefined counts as absent. The order of the
 * keys counts.
 */
export function isSame<Item extends object>(one: Item | undefined, other: Item): boolean {
  return JSON.stringify(one) === JSON.stringify(other)
}
