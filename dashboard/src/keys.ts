import type { Selection } from './model/selection.ts'
import { SEARCH_ID } from './view/toolbar.tsx'

/** The keys that work anywhere on the page: `/` searches, and Escape closes the panel. */
export function pageKeys(selected: Selection): (event: KeyboardEvent) => void {
  return event => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return
    if (event.target instanceof Element && event.target.closest('input, select, textarea, [popover]')) return
    if (event.key === '/') {
      event.preventDefault()
      const field = document.getElementById(SEARCH_ID)
      if (field instanceof HTMLInputElement) field.select()
      field?.focus()
    } else if (event.key === 'Escape') selected.close()
  }
}
