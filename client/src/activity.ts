import type { PresenceClient } from './api.ts'
import type { Platform } from './platform.ts'
import { timer } from './timer.ts'

/** What shows that somebody is there. */
const SIGNS = ['pointerdown', 'pointermove', 'keydown', 'wheel', 'scroll']

const OPTIONS = { passive: true, capture: true }

/** A tab that is hidden for less is not worth a word: people flip through their tabs. */
const HIDDEN_FOR_MS = 5_000

/** Watches for whether somebody is at this device and looks, and for a network that is back. Returns what ends the watch. */
export function watchPage(
  platform: Platform,
  idleAfterMs: number | false,
  { setActivity, setVisible }: Pick<PresenceClient, 'setActivity' | 'setVisible'>,
  wake: () => void,
): () => void {
  const { document, network } = platform
  const idling = timer(platform)
  const hiding = timer(platform)

  function each(what: 'addEventListener' | 'removeEventListener'): void {
    network?.[what]('online', wake, OPTIONS)
    document?.[what]('visibilitychange', turn, OPTIONS)
    for (const type of SIGNS) document?.[what](type, sign, OPTIONS)
  }

  function sign(): void {
    setActivity('active')
    if (idleAfterMs) idling.set(idleAfterMs, () => setActivity('idle'))
  }

  // A page that is turned to shows that somebody is there; it is hidden by a screen that locks itself, too.
  function turn(): void {
    if (document?.visibilityState === 'hidden') return hiding.set(HIDDEN_FOR_MS, () => setVisible(false))
    hiding.stop()
    setVisible(true)
    sign()
  }

  each('addEventListener')
  if (document) {
    sign()
    turn()
  }
  return () => {
    each('removeEventListener')
    idling.stop()
    hiding.stop()
  }
}
