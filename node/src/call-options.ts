/** Options of one call. */
export interface CallOptions {
  /** Ends the call. It then rejects with the reason of the signal. */
  readonly signal?: AbortSignal | undefined
  /** How long one try may take, in ms. Default: that of the client. */
  readonly timeoutMs?: number | undefined
}
