import { createClient } from '@who-is-online/client'
import { render } from 'preact'
import './style.css'
import { live } from './model/live.ts'
import { myself } from './model/me.ts'
import { SPECTATOR } from './spectator.ts'
import { Page } from './view/page.tsx'

const TICK_MS = 1_000

/** Beside the page, wherever a proxy puts it. */
const url = new URL('ws', document.baseURI).href

function tabMemory(): Storage | undefined {
  try {
    return sessionStorage
  } catch {
    // A browser that keeps nothing.
    return undefined
  }
}

const watched = live(createClient({ url, userId: SPECTATOR, idleAfterMs: false }), {
  later: task => requestAnimationFrame(task),
  now: Date.now,
})
setInterval(watched.tick, TICK_MS)

const me = myself(name => createClient({ url, ...name }), tabMemory())
me.me.subscribe(now => watched.setMe(now.state === 'in' ? now.name.userId : undefined))

const root = document.getElementById('page')
if (root) {
  root.textContent = ''
  render(<Page live={watched} me={me} />, root)
}
