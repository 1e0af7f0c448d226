import { createClient } from '@who-is-online/client'
import { PresenceProvider } from '@who-is-online/client/react'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { Chat } from './chat.tsx'
import { Roster } from './roster.tsx'

const query = new URLSearchParams(location.search)
const me = query.get('user') ?? 'ann'

// One client for the application, made outside of all components, so that no render opens a second connection.
const client = createClient({ url: query.get('url') ?? 'ws://localhost:3050/ws', userId: me })

const root = document.getElementById('root')
if (!root) throw new Error('there is no #root')
createRoot(root).render(
  <StrictMode>
    <PresenceProvider client={client}>
      <Roster me={me} />
      <Chat me={me} />
    </PresenceProvider>
  </StrictMode>,
)
