import { useComputed } from '@preact/signals'
import type { VNode } from 'preact'
import type { Live } from '../model/live.ts'
import type { Myself } from '../model/me.ts'
import { times } from '../model/times.ts'
import { Chart } from './chart.tsx'
import { ConnectAs } from './connect-as.tsx'
import { People } from './people.tsx'
import { Recent } from './recent.tsx'
import { TrustNote } from './trust-note.tsx'

const format = times()

/** All of the page. Each part listens to what it shows; this one is drawn once. */
export function Page({ live, me }: { readonly live: Live; readonly me: Myself }): VNode {
  const trust = useComputed(() => live.trust.value.state)
  return (
    <>
      <header>
        <h1>Who Is Online</h1>
        <TrustNote trust={live.trust} format={format} />
      </header>
      <main data-trust={trust}>
        <People live={live} format={format} />
        <ConnectAs myself={me} />
        <Chart live={live} format={format} />
        <Recent live={live} format={format} />
      </main>
    </>
  )
}
