import type { Status as StatusName } from '@who-is-online/client'
import type { VNode } from 'preact'
import { Dot } from './avatar.tsx'

/** A status as a word, with a dot that has another shape and another color for each status. */
export function Status({ status }: { readonly status: StatusName }): VNode {
  return (
    <span class="status">
      <Dot status={status} />
      <span class="word">{status}</span>
    </span>
  )
}
