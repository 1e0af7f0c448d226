type Listener = (event: { readonly persisted?: boolean }) => void

/** An event target whose events a test emits. */
export class FakeEvents {
  readonly #listeners = new Map<string, Set<Listener>>()

  addEventListener(type: string, listener: Listener): void {
    this.#listeners.set(type, (this.#listeners.get(type) ?? new Set()).add(listener))
  }

  removeEventListener(type: string, listener: Listener): void {
    this.#listeners.get(type)?.delete(listener)
  }

  emit(type: string, event: { readonly persisted?: boolean } = {}): void {
    for (const listener of this.#listeners.get(type) ?? []) listener(event)
  }

  /** How many listeners there are. */
  get size(): number {
    return [...this.#listeners.values()].reduce((sum, each) => sum + each.size, 0)
  }
}
