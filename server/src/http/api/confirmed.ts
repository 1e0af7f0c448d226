/** How long a write waits until the other nodes know, in ms. */
const CONFIRM_MS = 2_000

/** What a promise resolves with, if it does so within `CONFIRM_MS`; else undefined. `now` stands for no promise. */
export function inTime<Value>(
  promise: Promise<Value> | undefined,
  now: Value,
): Value | Promise<Value | undefined> {
  if (!promise) return now
  return new Promise(resolve => {
    const timer = setTimeout(() => resolve(undefined), CONFIRM_MS)
    const end = (value: Value | undefined) => {
      clearTimeout(timer)
      resolve(value)
    }
    // A disk that fails confirms nothing.
    promise.then(end, () => end(undefined))
  })
}

/** Whether all nodes confirm within `CONFIRM_MS`. `undefined` if they have. */
export async function isConfirmed(placed: Promise<void> | undefined): Promise<boolean> {
  const confirmed = placed?.then(() => true)
  return (await inTime(confirmed, true)) === true
}
