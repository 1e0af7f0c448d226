import type { ComponentChildren, VNode } from 'preact'
import { useEffect, useId, useRef } from 'preact/hooks'

interface DialogProps {
  readonly title: string
  /** What the button does that does it, such as `End the session`. */
  readonly action: string
  /** Called with the fields when the person confirms. */
  readonly onConfirm: (fields: FormData) => void
  /** Called when the dialog is closed, in any way. */
  readonly onClose: () => void
  readonly children: ComponentChildren
}

/** Asks a person to confirm. Nothing is done by Escape, or by the other button. */
export function Dialog({ title, action, onConfirm, onClose, children }: DialogProps): VNode {
  const dialog = useRef<HTMLDialogElement>(null)
  const id = useId()
  // `showModal` keeps the focus inside, and gives it back at the end.
  useEffect(() => dialog.current?.showModal(), [])
  const close = (): void => dialog.current?.close()
  return (
    <dialog
      class="dialog"
      ref={dialog}
      aria-labelledby={id}
      onClose={onClose}
      // Escape closes the dialog only, and not the panel too.
      onKeyDown={event => event.stopPropagation()}
    >
      <form
        autocomplete="off"
        onSubmit={event => {
          event.preventDefault()
          const fields = new FormData(event.currentTarget)
          close()
          onConfirm(fields)
        }}
      >
        <h2 id={id}>{title}</h2>
        {children}
        <div class="buttons">
          <button type="button" onClick={close}>
            Cancel
          </button>
          <button type="submit">{action}</button>
        </div>
      </form>
    </dialog>
  )
}
