import type { ReadonlySignal } from '@preact/signals'
import type { VNode } from 'preact'
import type { Live } from '../model/live.ts'
import { elapsed, type TimeFormat } from '../model/time-format.ts'
import type { Trust } from '../model/trust.ts'

interface TrustNoteProps {
  readonly live: Pick<Live, 'trust' | 'lostSeconds'>
  readonly format: TimeFormat
}

/**
 * Tells whether the shown data is up to date. The only live region of the page: screen readers announce its
 * changes.
 */
export function TrustNote({ live: { trust, lostSeconds }, format }: TrustNoteProps): VNode {
  const { value } = trust
  return (
    <p class="trust" role="status" data-trust={value.state}>
      {value.state === 'stale' ? (
        <>
          <b>
            Disconnected
            <Lost seconds={lostSeconds} />.
          </b>{' '}
          The numbers are from {format.second(value.since)}. {value.reason ?? 'Trying again…'}
        </>
      ) : (
        textOf(value)
      )}
    </p>
  )
}

/** Hidden from screen readers: they would announce each second. */
function Lost({ seconds }: { readonly seconds: ReadonlySignal<number> }): VNode {
  return <span aria-hidden="true"> {elapsed(seconds.value)} ago</span>
}

function textOf(trust: Exclude<Trust, { state: 'stale' }>): string {
  switch (trust.state) {
    case 'connecting':
      return 'Connecting…'
    case 'failing':
      return trust.reason ?? 'Cannot reach the server. Trying again…'
    case 'live':
      return 'Live'
    case 'refused':
      return `The server refuses this page: ${trust.reason}. Reload the page to try again.`
  }
}
