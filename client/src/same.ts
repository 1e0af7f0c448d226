/** Whether two objects say the same, as far as JSON goes: what is undefined is as good as not there. */
export function isSame<Item extends object>(one: Item | undefined, other: Item): boolean {
  return JSON.stringify(one) === JSON.stringify(other)
}
