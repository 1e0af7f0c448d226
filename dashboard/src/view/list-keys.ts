/** What a key does in the list of users; `undefined` for other keys. */
export type ListAction =
  | { readonly kind: 'move'; readonly rows: number }
  | { readonly kind: 'open' | 'close' | 'copy' }
  | undefined

/** Returns what a key does in the list. `pageRows` is the number of rows that are visible at once. */
export function listAction(event: KeyboardEvent, pageRows: number): ListAction {
  if (event.ctrlKey || event.metaKey || event.altKey) return undefined
  switch (event.key) {
    case 'ArrowDown':
    case 'j':
      return { kind: 'move', rows: 1 }
    case 'ArrowUp':
    case 'k':
      return { kind: 'move', rows: -1 }
    case 'PageDown':
      return { kind: 'move', rows: pageRows }
    case 'PageUp':
      return { kind: 'move', rows: -pageRows }
    case 'Home':
      return { kind: 'move', rows: Number.NEGATIVE_INFINITY }
    case 'End':
      return { kind: 'move', rows: Number.POSITIVE_INFINITY }
    case 'Enter':
      return { kind: 'open' }
    case 'Escape':
      return { kind: 'close' }
    case 'c':
      return { kind: 'copy' }
    default:
      return undefined
  }
}
