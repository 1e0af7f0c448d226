import type { PresenceClient } from './api.ts'
import type { Platform } from './platform.ts'
import { timer } from './timer.ts'

/** DOM events that show that somebody uses the page. */
const INPUT_EVENTS = ['pointerdown', 'pointermove', 'keydown', 'wheel', 'scroll']

const OPTIONS = { passive: true, capture: true }

/** How long a page must be hidden before the server is told, in ms: people switch tabs for a moment. */
const HIDDEN_FOR_MS = 5_000

/**
 * Observes the page: input, visibility, and a network that comes back, which calls `wake`. The user is idle
 * after `idleAfterMs` without input; `false`: never. Returns the function that stops observing. Without a
 * `document` only the network is observed.
 */
export function observePage(
  platform: Platform,
  idleAfterMs: number | false,
  { setActivity, setVisible }: Pick<PresenceClient, 'setActivity' | 'setVisible'>,
  wake: () => void,
): () => void {
  const { document, network } = platform
  const idleTimer = timer(platform)
  const hiddenTimer = timer(platform)

  function forAllEvents(method: 'addEventListener' | 'removeEventListener'): void {
    network?.[method]('online', wake, OPTIONS)
    document?.[method]('visibilitychange', visibilityChanged, OPTIONS)
    for (const type of INPUT_EVENTS) document?.[method](type, used, OPTIONS)
  }

  function used(): void {
    setActivity('active')
    if (idleAfterMs) idleTimer.set(idleAfterMs, () => setActivity('idle'))
  }

  // A page that becomes visible is used. A locked screen hides the page too.
  function visibilityChanged(): void {
    if (document?.visibilityState === 'hidden') return hiddenTimer.set(HIDDEN_FOR_MS, () => setVisible(false))
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
