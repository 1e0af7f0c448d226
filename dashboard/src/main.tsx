import { type ClientOptions, createClient } from '@who-is-online/client'
import { render } from 'preact'
import './style.css'
import { askForAccess } from './access.ts'
import { live } from './model/live.ts'
import { ownUser } from './model/own-user.ts'
import { Page } from './view/page.tsx'

const TICK_MS = 1_000

/** Longest wait for a frame, in ms: several frames of a page in front. */
const MAX_FRAME_MS = 100

// The addresses are relative to the page, so that a proxy may put all of them under any path.
const url = new URL('ws', document.baseURI).href
const tokenUrl = new URL('live-page-token', document.baseURI).href

/**
 * Runs a task with the next animation frame, or after {@link MAX_FRAME_MS}: browsers give a page that is
 * visible but not in front as little as one frame a second.
 */
function nextFrame(task: () => void): void {
  const frame = requestAnimationFrame(() => {
    clearTimeout(timeout)
    task()
  })
  const timeout = setTimeout(() => {
    cancelAnimationFrame(frame)
    task()
  }, MAX_FRAME_MS)
}

function tabStorage(): Storage | undefined {
  try {
    return sessionStorage
  } catch {
    // The browser forbids storage for this page.
    return undefined
  }
}

const { identity, isOpen } = await askForAccess(tokenUrl, request => fetch(request))
const model = live(createClient({ url, idleAfterMs: false, ...identity } as ClientOptions), {
  schedule: nextFrame,
  now: Date.now,
})
setInterval(model.tick, TICK_MS)

// With tokens, the page can't connect as a user: it has only the token of an observer.
const own = isOpen ? ownUser(identity => createClient({ url, ...identity }), tabStorage()) : undefined
own?.user.subscribe(user => model.setMe(user.state === 'in' ? user.identity.userId : undefined))

// It says how to connect with a user id alone.
if (!isOpen) document.querySelector('footer')?.remove()

const root = document.getElementById('page')
if (root) {
  root.textContent = ''
  render(<Page live={model} own={own} />, root)
}
