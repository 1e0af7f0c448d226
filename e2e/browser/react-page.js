// The page of a React application: it logs in and out while it is shown. See react.test.ts.
import { PresenceProvider, useConnectionStatus, useUserStatus } from '@who-is-online/client/react'
import { createElement, StrictMode, useEffect, useState } from 'react'
import { createRoot } from 'react-dom/client'

const url = new URL(location.href).searchParams.get('url')

function Avatar({ userId }) {
  return createElement('i', { id: `user-${userId}` }, useUserStatus(userId)?.status ?? 'unknown')
}

function Connection() {
  return createElement('b', { id: 'connection' }, useConnectionStatus())
}

function Page() {
  const [userId, setUserId] = useState()
  useEffect(() => {
    window.logIn = setUserId
  }, [])
  return createElement(
    PresenceProvider,
    { url, userId },
    createElement(Connection),
    [7, 'ann'].map(id => createElement(Avatar, { key: id, userId: id })),
  )
}

createRoot(document.body).render(createElement(StrictMode, undefined, createElement(Page)))
