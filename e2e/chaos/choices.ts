// What users chose and were told is done, and what the server knows of it after a crash.

/** What was acknowledged this long before a crash must be there after it (SPEC [I8]), in ms. */
export const DURABLE_MS = 150

/** The n-th choice of a user: with it the user takes the name `name-n` and, where the protocol has texts, the text `text-n`. */
export interface Choice {
  readonly status: string
  acknowledgedAt?: number
}

/** What the server says of a user. */
export interface Found {
  readonly status: string
  readonly lastSeen: string | null
  readonly username?: string
  readonly text?: string
}

/**
 * Says what is missing of a user's choices, or `undefined` when all is there.
 *
 * @param isBack whether the user's client has come back and may have said the choice again
 */
export function missing(
  choices: readonly Choice[],
  found: Found,
  { killedAt, hasText, isBack }: { killedAt: number; hasText: boolean; isBack: boolean },
): string | undefined {
  const durable = choices.findLastIndex(
    ({ acknowledgedAt = Number.POSITIVE_INFINITY }) => acknowledgedAt < killedAt - DURABLE_MS,
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
