// The acknowledged choices of users, and whether the server still has them after a crash.

/** A choice acknowledged this long before a crash must survive it (SPEC [I8]), in ms. */
export const DURABLE_MS = 150

/** The n-th choice of a user. It also sets the name `name-n` and, in protocol v2, the text `text-n`. */
export interface Choice {
  readonly status: string
  acknowledgedAt?: number
  /** A crash came so soon after the acknowledgement that the choice need not survive, then or later. */
  mayBeLost?: boolean
}

/** A user as the server reports it. */
export interface Found {
  readonly status: string
  readonly lastSeen: string | null
  readonly username?: string
  readonly text?: string
}

/** The server ended at `killedAt` (steady time, in ms): the choices of the moment before may be lost. */
export function crashed(choices: readonly Choice[], killedAt: number): void {
  for (const choice of choices) {
    if ((choice.acknowledgedAt ?? 0) >= killedAt - DURABLE_MS) choice.mayBeLost = true
  }
}

/**
 * Compares the choices of a user with what the server reports. Returns a sentence about what is missing, or
 * `undefined`.
 *
 * @param isBack whether the client of the user has reconnected and may have sent the choice again
 */
export function missing(
  choices: readonly Choice[],
  found: Found,
  { killedAt, hasText, isBack }: { killedAt: number; hasText: boolean; isBack: boolean },
): string | undefined {
  const durable = choices.findLastIndex(
    ({ acknowledgedAt = Number.POSITIVE_INFINITY, mayBeLost }) =>
      acknowledgedAt < killedAt - DURABLE_MS && !mayBeLost,
  )
  if (durable < 0) return undefined
  const name = numberOf(found.username)
  if (!(name >= durable)) return `choice ${durable} was durable, the name is ${found.username}`
  if (!hasText || isBack) return undefined
  const text = numberOf(found.text)
  if (!(text >= durable)) return `choice ${durable} was durable, the text is ${found.text}`
  const { status } = choices[text] ?? {}
  if (status !== found.status) return `choice ${text} was ${status}, the status is ${found.status}`
  return undefined
}

function numberOf(text = ''): number {
  return Number(/^(?:name|text)-(\d+)$/.exec(text)?.[1])
}
