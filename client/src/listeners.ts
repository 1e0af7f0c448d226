/** Calls a function of the application. What it throws is the application's: it is reported, and stops nothing here. */
export function call<Args extends readonly unknown[]>(
  listener: (...args: Args) => void,
  ...args: Args
): void {
  try {
    listener(...args)
  } catch (error) {
    void Promise.reject(error)
  }
}

/** Those who want to hear of something: adds one, and returns what takes it off again; and tells them all. */
export type Listeners<Args extends readonly unknown[]> = readonly [
  add: (listener: (...args: Args) => void) => () => void,
  tell: (...args: Args) => void,
]

export function listeners<Args extends readonly unknown[]>(): Listeners<Args> {
  const each = new Set<(...args: Args) => void>()
  return [
    listener => {
      // The same function may be added twice.
      const own = (...args: Args): void => listener(...args)
      each.add(own)
      return () => each.delete(own)
    },
    (...args) => {
      for (const listener of each) call(listener, ...args)
    },
  ]
}
