/** The text of an id: a whole number stands for the id that it spells. `undefined` if it is no id, such as NaN. */
export function textOfId(id: unknown): string | undefined {
  const isId = typeof id === 'string' ? id !== '' && !/\p{Cs}/u.test(id) : Number.isSafeInteger(id)
  return isId ? String(id) : undefined
}
