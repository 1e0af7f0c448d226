/** The wall clock as everything but `main` sees it: milliseconds since the epoch, never going back. */
export interface Clock {
  now(): number
}
