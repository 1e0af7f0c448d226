import { signal } from '@preact/signals'

/** How long a copied id is marked, in ms. */
const MARK_MS = 1_500

/** The text that was just copied, for example a user id; `undefined` after a moment. */
export const copied = signal<string | undefined>(undefined)

let timer: ReturnType<typeof setTimeout> | undefined

/** Copies a text to the clipboard, and marks it for a moment. If the browser does not allow it, it is not marked. */
export function copyText(text: string): void {
  write(text).then(
    isDone => isDone && mark(text),
    () => {},
  )
}

async function write(text: string): Promise<boolean> {
  // Without TLS, a browser gives no clipboard, except on localhost.
  if (!navigator.clipboard) return copyBySelection(text)
  return navigator.clipboard.writeText(text).then(
    () => true,
    () => copyBySelection(text),
  )
}

function mark(text: string): void {
  copied.value = text
  clearTimeout(timer)
  timer = setTimeout(() => {
    copied.value = undefined
  }, MARK_MS)
}

/** Copies by selecting text, as browsers allow it everywhere. */
function copyBySelection(text: string): boolean {
  const focused = document.activeElement
  const field = document.createElement('textarea')
  field.value = text
  field.className = 'unseen'
  document.body.append(field)
  field.select()
  const isDone = document.execCommand('copy')
  field.remove()
  if (focused instanceof HTMLElement) focused.focus({ preventScroll: true })
  return isDone
}
