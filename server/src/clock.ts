/** The wall clock as everything but `main` sees it: milliseconds since the epoch, never going back. */
export interface Clock {
  now(): number
}

/**
 * A clock that follows the wall clock and never goes back. When the wall clock is set back, this one runs at
 * half speed until it is met again, so deadlines keep coming and no time is told twice.
 *
 * @param wall milliseconds since the epoch, may jump; @param steady milliseconds since anything, never jumps.
 */
export function createClock(wall: () => number, steady: () => number): Clock {
  let told = wall()
  let toldAt = steady()
  return {
    now() {
      const at = steady()
      told = Math.max(wall(), told + (at - toldAt) / 2)
      toldAt = at
      return Math.floor(told)
    },
  }
}
