import type { ReadonlySignal } from '@preact/signals'
import type { VNode } from 'preact'
import type { Trust } from '../model/live.ts'
import type { Times } from '../model/times.ts'

/** Says whether what is shown is so. The one place that speaks by itself to who listens to the page. */
export function TrustNote({
  trust,
  format,
}: {
  readonly trust: ReadonlySignal<Trust>
  readonly format: Times
}): VNode {
  return (
    <p class="trust" role="status" data-trust={trust.value.state}>
      {words(trust.value, format)}
    </p>
  )
}

function words(trust: Trust, format: Times): string {
  switch (trust.state) {
    case 'connecting':
      return 'Connecting…'
    case 'failing':
      return 'The server can’t be reached; trying again…'
    case 'live':
      return 'Live'
    case 'stale':
      return `Connection lost. This is how it was at ${format.second(trust.since)}; trying again…`
    case 'refused':
      return `The server does not let this page in: ${trust.reason}. Reload to try again.`
  }
}
