import { useComputed } from '@preact/signals'
import type { VNode } from 'preact'
import type { Live } from '../model/live.ts'
import type { OwnUserModel } from '../model/own-user.ts'
import { timeFormat } from '../model/time-format.ts'
import { Changes } from './changes.tsx'
import { Chart } from './chart.tsx'
import { ConnectAs } from './connect-as.tsx'
import { TrustNote } from './trust-note.tsx'
import { Users } from './users.tsx'

const format = timeFormat()

/**
 * The whole page. It is drawn once; each part subscribes to the signals that it shows. Without `own`, the page can't
 * connect as a user.
 */
export function Page({ live, own }: { readonly live: Live; readonly own: OwnUserModel | undefined }): VNode {
  const trust = useComputed(() => live.trust.value.state)
  return (
    <>
      <header>
        <h1>Who Is Online</h1>
        <TrustNote trust={live.trust} format={format} />
      </header>
      <main data-trust={trust}>
        <Users live={live} format={format} />
        {own && <ConnectAs own={own} />}
        <Chart live={live} format={format} />
        <Changes live={live} format={format} />
      </main>
    </>
  )
}
