import type { ReadonlySignal } from '@preact/signals'
import type { VNode } from 'preact'
import type { TimeFormat } from '../model/time-format.ts'
import type { Trust } from '../model/trust.ts'

/**
 * Tells whether the shown data is up to date. The only live region of the page: screen readers announce its
 * changes.
 */
export function TrustNote({
  trust,
  format,
}: {
  readonly trust: ReadonlySignal<Trust>
  readonly format: TimeFormat
}): VNode {
  return (
    <p class="trust" role="status" data-trust={trust.value.state}>
      {textOf(trust.value, format)}
    </p>
  )
}

function textOf(trust: Trust, format: TimeFormat): string {
  switch (trust.state) {
    case 'connecting':
      return 'Connecting…'
    case 'failing':
      return trust.reason ?? 'Cannot reach the server. Trying again…'
    case 'live':
      return 'Live'
    case 'stale':
      return `Connection lost. Showing the state of ${format.second(trust.since)}. ${trust.reason ?? 'Trying again…'}`
    case 'refused':
      return `The server refuses this page: ${trust.reason}. Reload the page to try again.`
  }
}
