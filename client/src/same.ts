/** Whether two objects have the same in them; what is undefined is as good as not there. */
export function isSame<Item extends object>(one: Item | undefined, other: Item): boolean {
  const keys = Object.keys({ ...one, ...other }) as (keyof Item)[]
  return keys.every(key => one?.[key] === other[key])
}
