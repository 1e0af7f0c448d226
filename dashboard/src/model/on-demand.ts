import { type ReadonlySignal, signal } from '@preact/signals'

/** A part of the page that is loaded when somebody first uses it. */
export interface OnDemand<Part> {
  /** The part; `undefined` until it is loaded. */
  readonly part: ReadonlySignal<Part | undefined>
  readonly state: ReadonlySignal<'unused' | 'loading' | 'loaded' | 'failed'>
  /** Loads the part, once. Returns `undefined` if that failed, and does not try again. */
  load(): Promise<Part | undefined>
}

/**
 * Loads a part with `importPart`. After a failure it does not import again: the server has the files of one version
 * only, and browsers may keep a failed import, or a part without its styles, until the page is reloaded.
 */
export function onDemand<Part>(importPart: () => Promise<Part>): OnDemand<Part> {
  const part = signal<Part | undefined>(undefined)
  const state = signal<'unused' | 'loading' | 'loaded' | 'failed'>('unused')
  let loading: Promise<Part | undefined> | undefined

  async function importOnce(): Promise<Part | undefined> {
    state.value = 'loading'
    try {
      part.value = await importPart()
      state.value = 'loaded'
    } catch {
      state.value = 'failed'
    }
    return part.value
  }

  return {
    part,
    state,
    load() {
      loading ??= importOnce()
      return loading
    },
  }
}
