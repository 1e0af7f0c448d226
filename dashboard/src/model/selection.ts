import { type ReadonlySignal, signal } from '@preact/signals'
import type { Live } from './live.ts'

/** Which user the keyboard is at, and which one the panel shows. */
export interface Selection {
  /** The user at whose row the keyboard is. */
  readonly cursor: ReadonlySignal<string | undefined>
  /** The user in the panel; `undefined` if it is closed. */
  readonly opened: ReadonlySignal<string | undefined>
  /** Puts the keyboard at a user. If the panel is open, it shows this user. */
  moveTo(userId: string): void
  /** Moves by so many rows, and returns the new place in the list; -1 if the list is empty. */
  moveBy(rows: number): number
  /** Opens the panel for a user, or without one for the user at whose row the keyboard is. */
  open(userId?: string): void
  close(): void
}

/** Makes the selection in the list of `live`. `userId` is the user whom the panel shows at the beginning. */
export function selection(live: Live, userId: string | undefined): Selection {
  const cursor = signal(userId)
  const opened = signal(userId)

  function moveTo(userId: string): void {
    cursor.value = userId
    if (opened.value !== undefined) opened.value = userId
  }

  return {
    cursor,
    opened,
    moveTo,
    moveBy(count) {
      const { rows } = live.list.value
      const from = cursor.value === undefined ? -1 : live.indexOf(cursor.value)
      // Without a place in the list, the keyboard begins at the first row.
      const to = from < 0 ? 0 : Math.max(0, Math.min(rows.length - 1, from + count))
      const row = rows[to]
      if (!row) return -1
      moveTo(row.userId)
      return to
    },
    open(userId = cursor.value) {
      if (userId === undefined) return
      cursor.value = userId
      opened.value = userId
    },
    close() {
      opened.value = undefined
    },
  }
}
