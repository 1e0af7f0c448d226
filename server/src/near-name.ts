/**
 * The name that was most likely meant: the one with the fewest typing errors. A typing error is a missing,
 * additional or wrong letter, or two swapped letters. Case and the separators `_`, `-` and `.` are ignored.
 * `undefined` if every name needs more than `maxErrors`.
 *
 * @param maxErrors how many typing errors a name of a given length may have
 */
export function nearName(
  given: string,
  names: readonly string[],
  maxErrors: (length: number) => number,
): string | undefined {
  const bare = withoutCase(given)
  let [nearest, fewest] = [undefined as string | undefined, Number.POSITIVE_INFINITY]
  for (const name of names) {
    const count = distance(bare, withoutCase(name))
    if (count > maxErrors(bare.length) || count >= fewest) continue
    nearest = name
    fewest = count
  }
  return nearest
}

function withoutCase(name: string): string {
  return name.toUpperCase().replaceAll(/[^A-Z0-9]/g, '')
}

/** The optimal string alignment distance: the number of typing errors between two texts. */
function distance(a: string, b: string): number {
  let [before, last] = [[] as number[], Array.from({ length: b.length + 1 }, (_, index) => index)]
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const isSame = a[i - 1] === b[j - 1]
      let count = Math.min(at(last, j) + 1, at(row, j - 1) + 1, at(last, j - 1) + (isSame ? 0 : 1))
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        count = Math.min(count, at(before, j - 2) + 1)
      }
      row.push(count)
    }
    ;[before, last] = [last, row]
  }
  return at(last, b.length)
}

function at(row: readonly number[], index: number): number {
  return row[index] as number
}
