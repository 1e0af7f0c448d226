import type { PresenceClient } from './api.ts'
import { RENEW_MS } from './own-status.ts'
import type { Platform } from './platform.ts'
import { timer } from './timer.ts'

/** DOM events that show that somebody uses the page. */
const INPUT_EVENTS = ['pointerdown', 'pointermove', 'keydown', 'wheel', 'scroll']

const OPTIONS = { passive: true, capture: true }

/** How long a page must be hidden before the server is told, in ms: people switch tabs for a moment. */
const HIDDEN_FOR_MS = 5_000

/**
 * Observes the page: input, visibility, and a network that comes back, which calls `wake`. The user is idle
 * after `idleAfterMs` without input; `false`: never. The server is told how long the user is active, so it needs no
 * timer of a page that the browser has stopped. Returns the function that stops observing. Without a `document` only
 * the network is observed.
 */
export function observePage(
  platform: Platform,
  idleAfterMs: number | false,
  { setActivity, setVisible }: Pick<PresenceClient, 'setActivity' | 'setVisible'>,
  wake: () => void,
): () => void {
  const { document, network, isTouch } = platform
  const forMs = idleAfterMs ? idleAfterMs + RENEW_MS : undefined
  const idleTimer = timer(platform)
  const hiddenTimer = timer(platform)

  function forAllEvents(method: 'addEventListener' | 'removeEventListener'): void {
    network?.[method]('online', wake, OPTIONS)
    network?.[method]('pagehide', hide, OPTIONS)
    document?.[method]('freeze', hide, OPTIONS)
    document?.[method]('resume', visibilityChanged, OPTIONS)
    document?.[method]('visibilitychange', visibilityChanged, OPTIONS)
    for (const type of INPUT_EVENTS) document?.[method](type, used, OPTIONS)
  }

  function used(): void {
    setActivity('active', forMs)
    if (idleAfterMs) idleTimer.set(idleAfterMs, () => setActivity('idle'))
  }

  /**
   * Called at once if the browser may stop the page before a timer runs. A page that is closed, and not kept
   * (`persisted`), says nothing: its session would be held as long as that of a hidden page.
   */
  function hide(event?: { readonly persisted?: boolean }): void {
    if (event?.persisted !== false) setVisible(false)
  }

  // A page that becomes visible is used. A locked screen hides the page too.
  function visibilityChanged(): void {
    if (document?.visibilityState === 'hidden') return isTouch ? hide() : hiddenTimer.set(HIDDEN_FOR_MS, hide)
    hiddenTimer.stop()
    setVisible(true)
    used()
  }

  forAllEvents('addEventListener')
  if (document) {
    used()
    visibilityChanged()
  }
  return () => {
    forAllEvents('removeEventListener')
    idleTimer.stop()
    hiddenTimer.stop()
  }
}
