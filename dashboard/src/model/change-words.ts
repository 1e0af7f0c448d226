import type { Change } from './user-list.ts'

/** Says what a change is, as the rest of a sentence that begins with the user's name. The text is not part of it. */
export function changeWords({ status, previous }: Pick<Change, 'status' | 'previous'>): string {
  if (status === previous) return 'changed the text'
  if (status === 'offline') return 'went offline'
  if (previous === 'offline') return status === 'online' ? 'came online' : `came online, ${status}`
  return status === 'online' ? 'is online again' : `is ${status}`
}
