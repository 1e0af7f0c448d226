import { createClient } from '@who-is-online/client'
import { render } from 'preact'
import './style.css'
import { live } from './model/live.ts'
import { myself } from './model/me.ts'
import { SPECTATOR } from './spectator.ts'
import { Page } from './view/page.tsx'

const TICK_MS = 1_000

/** Several frames: whoever draws them comes first. */
const LATE_FRAME_MS = 100

/** Beside the page, wherever a proxy puts it. */
const url = new URL('ws', document.baseURI).href

/**
 * Does something with the next frame, or soon, if none comes: a page that can be seen but is not in front may be given a
 * frame a second.
 */
function nextFrame(task: () => void): void {
  const frame = requestAnimationFrame(() => {
    clearTimeout(late)
    task()
  })
  const late = setTimeout(() => {
    cancelAnimationFrame(frame)
    task()
  }, LATE_FRAME_MS)
}

function tabMemory(): Storage | undefined {
  try {
    return sessionStorage
  } catch {
    // A browser that keeps nothing.
    return undefined
  }
}

const watched = live(createClient({ url, userId: SPECTATOR, idleAfterMs: false }), {
  later: nextFrame,
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
