import { signal } from '@preact/signals'
import type { ConnectionState, PresenceClient } from '@who-is-online/client'

/**
 * Whether the shown data is up to date:
 *
 * - `connecting`: no data yet.
 * - `failing`: no data yet, and the first attempts have failed, for `reason` if that is known.
 * - `live`: the data is up to date.
 * - `stale`: the data is of `since` (ms since the epoch), when the connection was lost.
 * - `refused`: the server refuses this page, for `reason`.
 */
export type Trust =
  | { readonly state: 'connecting' | 'live' }
  | { readonly state: 'failing'; readonly reason?: string | undefined }
  | { readonly state: 'stale'; readonly since: number; readonly reason?: string | undefined }
  | { readonly state: 'refused'; readonly reason: string }

/** Returns whether the page shows no outdated data. */
export function isUpToDate({ state }: Trust): boolean {
  return state !== 'stale' && state !== 'refused'
}

/** Keeps whether the data of a client is up to date, and finds out why it is not. */
export class Trusted {
  readonly trust = signal<Trust>({ state: 'connecting' })
  readonly #client: Pick<PresenceClient, 'connectionStatus' | 'refusal'>
  readonly #why: () => Promise<string | undefined>
  readonly #changed: () => void
  #wasConnecting = false
  #reason: string | undefined

  /**
   * @param why finds out why no WebSocket can be opened
   * @param changed is called when it was found out
   */
  constructor(
    client: Pick<PresenceClient, 'connectionStatus' | 'refusal'>,
    why: () => Promise<string | undefined>,
    changed: () => void,
  ) {
    this.#client = client
    this.#why = why
    this.#changed = changed
  }

  /** Call this for each change of the connection's state. After a failed attempt it asks why. */
  connectionIs(state: ConnectionState): void {
    const hasFailed = state === 'waiting' && this.#wasConnecting
    this.#wasConnecting = state === 'connecting'
    if (state === 'open') this.#reason = undefined
    if (!hasFailed) return
    this.#why().then(
      reason => {
        if (this.#client.connectionStatus === 'open') return
        this.#reason = reason
        this.#changed()
      },
      () => {},
    )
  }

  /** Call this with each frame. */
  update(isLive: boolean, at: number): void {
    const next = this.#next(isLive, at)
    const { state, ...details } = this.trust.value
    const isSame =
      state === next.state && !('reason' in next && next.reason !== (details as { reason?: string }).reason)
    if (!isSame) this.trust.value = next
  }

  #next(isLive: boolean, at: number): Trust {
    const trust = this.trust.value
    const { refusal, connectionStatus } = this.#client
    const reason = this.#reason
    if (connectionStatus === 'refused') {
      return trust.state === 'refused' ? trust : { state: 'refused', reason: refusal?.message ?? 'refused' }
    }
    if (isLive) return { state: 'live' }
    if (trust.state === 'live' || trust.state === 'refused') return { state: 'stale', since: at, reason }
    if (trust.state === 'stale') return { ...trust, reason }
    if (trust.state === 'failing' || connectionStatus === 'waiting') return { state: 'failing', reason }
    return trust
  }
}
