import type { Status as Word } from '@who-is-online/client'
import type { VNode } from 'preact'

/** A status as a word, with a dot whose form says the same as its colour. */
export function Status({ status }: { readonly status: Word }): VNode {
  return (
    <span class="status">
      <span class="dot" data-status={status} aria-hidden="true" />
      <span class="word">{status}</span>
    </span>
  )
}
