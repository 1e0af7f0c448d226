import { createClient } from '@who-is-online/client'
import type { VNode } from 'preact'
import { ConnectAs } from './connect-as.tsx'
import { type OwnUserModel, ownUser } from './own-user.ts'

// What only the page of a development server loads: connecting as a user.

/**
 * Makes the demo: a button for the header, which opens a form. `setMe` is told the id of the user of this tab.
 *
 * @param url the address of the WebSocket
 */
export function makeDemo(url: string, setMe: (userId: string | undefined) => void): VNode {
  const own = ownUser(identity => createClient({ url, ...identity }), tabStorage())
  own.user.subscribe(user => setMe(user.state === 'in' ? user.identity.userId : undefined))
  return <Demo own={own} />
}

function Demo({ own }: { readonly own: OwnUserModel }): VNode {
  const user = own.user.value
  return (
    <>
      <button type="button" class="demo" popovertarget="connect">
        {user.state === 'out' ? 'Connect as…' : `You are ${user.identity.username ?? user.identity.userId}`}
      </button>
      <ConnectAs own={own} />
    </>
  )
}

function tabStorage(): Storage | undefined {
  try {
    return sessionStorage
  } catch {
    // The browser forbids storage for this page.
    return undefined
  }
}
