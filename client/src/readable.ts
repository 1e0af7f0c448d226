declare global {
  interface SymbolConstructor {
    /** The well-known name under which libraries such as RxJS look for an observable. */
    readonly observable: symbol
  }
}

/**
 * A value that changes. It has the form of a Svelte store, its two functions fit React's `useSyncExternalStore`, and
 * RxJS accepts it in `from`. Its functions can be called without `this`.
 */
export interface Readable<Value> {
  /** Returns the current value: the same object until it changes. */
  get(): Value
  /**
   * Calls `run` with the value, now and after each change, until the returned function is called. As long as there is a
   * subscriber, the client is subscribed on the server.
   */
  subscribe(run: (value: Value) => void): () => void
  /** Returns an observable of the value, for RxJS. */
  [Symbol.observable](): Observable<Value>
}

/** What RxJS needs of an observable. */
export interface Observable<Value> {
  subscribe(observer: { next?: ((value: Value) => void) | undefined }): { unsubscribe(): void }
}

/** Makes a readable of what `get` returns. `start` subscribes, calls its argument after each change, and ends. */
export function readable<Value>(
  get: () => Value,
  start: (changed: () => void) => () => void,
): Readable<Value> {
  function subscribe(run: (value: Value) => void): () => void {
    const emit = (): void => run(get())
    const stop = start(emit)
    emit()
    return stop
  }
  const observable: Observable<Value> = {
    subscribe: observer => ({ unsubscribe: subscribe(value => observer.next?.(value)) }),
  }
  // RxJS uses this name where the symbol does not exist.
  return { get, subscribe, '@@observable': () => observable } as object as Readable<Value>
}
