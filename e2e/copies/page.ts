// The pages of the log of changes, written from docs/http-api.md and docs/webhooks.md: the copies share no code with
// the server.

/** What a copy keeps of a user. */
export interface PageUser {
  readonly userId: string
  readonly status: string
  readonly username?: string
  readonly text?: string
}

export interface PageChange extends PageUser {
  readonly seq: number
}

/** A page, whichever way it comes. */
export interface Page {
  readonly epoch: string
  readonly prevSeq: number | null
  readonly seq: number
  readonly recovered: boolean
  readonly changes: readonly PageChange[]
  readonly users?: readonly PageUser[]
  readonly last?: boolean
  readonly cursor?: string
}
