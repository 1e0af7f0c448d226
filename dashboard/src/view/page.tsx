import { useComputed } from '@preact/signals'
import type { ComponentChildren, VNode } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import { copied, copyText } from '../copy.ts'
import type { Live } from '../model/live.ts'
import type { OnDemand } from '../model/on-demand.ts'
import type { Selection } from '../model/selection.ts'
import { timeFormat } from '../model/time-format.ts'
import type { LoadedOperator } from '../operator/operator.tsx'
import { Changes } from './changes.tsx'
import { Chart } from './chart.tsx'
import { CopyIcon, DoneIcon } from './icons.tsx'
import { Panel } from './panel.tsx'
import { TrustNote } from './trust-note.tsx'
import { Users } from './users.tsx'

const format = timeFormat()

interface PageProps {
  readonly live: Live
  /** What only the page of a node of a cluster has. */
  readonly cluster: { readonly banner: ComponentChildren; readonly panel: ComponentChildren } | undefined
  /** The address of the WebSocket, to which clients connect. */
  readonly url: string
  readonly selected: Selection
  readonly operator: OnDemand<LoadedOperator>
  /** Whether everybody who can connect can connect as any user, on a server that is not for development. */
  readonly isUnprotected: boolean
  /** What only the page of a development server has. */
  readonly demo?: ComponentChildren
}

/** The whole page. It is drawn once; each part subscribes to the signals that it shows. */
export function Page({ live, cluster, url, selected, operator, isUnprotected, demo }: PageProps): VNode {
  const trust = useComputed(() => live.trust.value.state)
  const hasPanel = useComputed(() => selected.opened.value !== undefined)
  const header = useRef<HTMLElement>(null)

  // The panel of a narrow page is below the header, whose height depends on what it says.
  useEffect(() => {
    const element = header.current
    if (!element) return
    const sizes = new ResizeObserver(() => {
      document.documentElement.style.setProperty('--top', `${element.offsetHeight}px`)
    })
    sizes.observe(element)
    return () => sizes.disconnect()
  }, [])
  return (
    <>
      <header ref={header}>
        <h1>Who Is Online</h1>
        <TrustNote live={live} format={format} />
        {demo}
      </header>
      {isUnprotected && <OpenBanner />}
      {cluster?.banner}
      <main data-trust={trust} data-panel={hasPanel}>
        <Users
          live={live}
          selected={selected}
          format={format}
          hint={<NoUsers url={url} isDemo={demo !== undefined} />}
        />
        <Chart live={live} format={format} />
        {cluster?.panel}
        <Changes live={live} selected={selected} format={format} />
        <Panel live={live} selected={selected} format={format} operator={operator} />
      </main>
    </>
  )
}

/** What to do on a server to which no user has connected. */
function NoUsers({ url, isDemo }: { readonly url: string; readonly isDemo: boolean }): VNode {
  const socket = url.replace(/^http/, 'ws')
  return (
    <>
      <p>
        <b>No user has connected yet.</b>
      </p>
      {isDemo && (
        <p>
          <button type="button" popovertarget="connect">
            Connect as a user
          </button>
        </p>
      )}
      <p>
        Clients connect to <code>{socket}</code>{' '}
        <button
          type="button"
          class="bare copy"
          aria-label="Copy the address"
          title="Copy the address"
          data-copied={copied.value === socket}
          onClick={() => copyText(socket)}
        >
          <CopyIcon />
          <DoneIcon />
        </button>
      </p>
    </>
  )
}

function OpenBanner(): VNode {
  return (
    <section class="banner" aria-label="Identity">
      <p role="note">
        <b>Identity is open.</b> Everybody who can connect to this server can connect as any user and see all
        users. Set <code>AUTH_SECRET</code>, or put <code>/ws</code> behind a proxy that authenticates
        clients.
      </p>
    </section>
  )
}
