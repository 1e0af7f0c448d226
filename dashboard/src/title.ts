import type { ListView } from './model/live.ts'
import { isUpToDate, type Trust } from './model/trust.ts'

const NAME = 'Who Is Online'

/** The title of the browser's tab: it has the number of users who are online. */
export function titleOf(trust: Trust, { isKnown, online }: Pick<ListView, 'isKnown' | 'online'>): string {
  if (!isKnown) return NAME
  if (!isUpToDate(trust)) return `Disconnected · ${NAME}`
  return `${online.toLocaleString()} online · ${NAME}`
}
