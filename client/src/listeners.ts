/**
 * Calls a function of the application. An error that it throws is the application's: it is reported as an unhandled
 * rejection, and the client goes on.
 */
export function callListener<Args extends readonly unknown[]>(
  listener: (...args: Args) => void,
  ...args: Args
): void {
  try {
    listener(...args)
  } catch (error) {
    void Promise.reject(error)
  }
}

/** Adds a listener and returns the function that removes it; and calls all listeners. */
export type Listeners<Args extends readonly unknown[]> = readonly [
  add: (listener: (...args: Args) => void) => () => void,
  emit: (...args: Args) => void,
]

/** Makes an empty set of listeners. A function that is added twice is called twice. */
export function listeners<Args extends readonly unknown[]>(): Listeners<Args> {
  const entries = new Set<(...args: Args) => void>()
  return [
    listener => {
      const entry = (...args: Args): void => callListener(listener, ...args)
      entries.add(entry)
      return () => entries.delete(entry)
    },
    (...args) => {
      for (const entry of entries) entry(...args)
    },
  ]
}
