import { useComputed } from '@preact/signals'
import type { ComponentChildren, VNode } from 'preact'
import type { Live } from '../model/live.ts'
import type { Selection } from '../model/selection.ts'
import { timeFormat } from '../model/time-format.ts'
import { Changes } from './changes.tsx'
import { Chart } from './chart.tsx'
import { Panel } from './panel.tsx'
import { TrustNote } from './trust-note.tsx'
import { Users } from './users.tsx'

const format = timeFormat()

interface PageProps {
  readonly live: Live
  readonly selected: Selection
  /** Whether everybody who can connect can connect as any user, on a server that is not for development. */
  readonly isUnprotected: boolean
  /** What only the page of a development server has. */
  readonly demo?: ComponentChildren
}

/** The whole page. It is drawn once; each part subscribes to the signals that it shows. */
export function Page({ live, selected, isUnprotected, demo }: PageProps): VNode {
  const trust = useComputed(() => live.trust.value.state)
  const hasPanel = useComputed(() => selected.opened.value !== undefined)
  const hint = demo ? 'No users yet. Connect as a user, in this tab or in another one.' : 'No users yet.'
  return (
    <>
      <header>
        <h1>Who Is Online</h1>
        <TrustNote trust={live.trust} format={format} />
        {demo}
      </header>
      {isUnprotected && <OpenBanner />}
      <main data-trust={trust} data-panel={hasPanel}>
        <Users live={live} selected={selected} format={format} hint={hint} />
        <Chart live={live} format={format} />
        <Changes live={live} selected={selected} format={format} />
        <Panel live={live} selected={selected} format={format} />
      </main>
    </>
  )
}

function OpenBanner(): VNode {
  return (
    <p class="banner" role="note">
      <b>Identity is open.</b> Everybody who can connect to this server can connect as any user and see all
      users. Set <code>AUTH_SECRET</code>, or put <code>/ws</code> behind a proxy that authenticates clients.
    </p>
  )
}
