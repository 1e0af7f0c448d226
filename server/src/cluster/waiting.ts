/** What all callers share who wait for the same: while Redis does not answer, there may be many. */
export interface Waiting<Value = void> {
  readonly promise: Promise<Value>
  readonly resolve: (value: Value) => void
}

export function newWaiting<Value = void>(): Waiting<Value> {
  let resolve = (_value: Value): void => {}
  const promise = new Promise<Value>(done => (resolve = done))
  return { promise, resolve }
}
