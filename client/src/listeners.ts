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

/** Those who want to hear of something. */
export interface Listeners<Args extends readonly unknown[]> {
  /** Adds one, and returns what takes it off again. The same function may be added twice. */
  add(listener: (...args: Args) => void): () => void
  tell(...args: Args): void
}

export function listeners<Args extends readonly unknown[]>(): Listeners<Args> {
  const each = new Set<(...args: Args) => void>()
  return {
    add(listener) {
      const own = (...args: Args): void => listener(...args)
      each.add(own)
      return () => each.delete(own)
    },
    tell(...args) {
      for (const listener of each) call(listener, ...args)
    },
  }
}
