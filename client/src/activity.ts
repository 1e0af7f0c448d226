import type { PresenceClient } from './api.ts'
import type { DocumentLike, Platform } from './platform.ts'
import { timer } from './timer.ts'

/** What shows that somebody is there. */
const SIGNS = ['pointerdown', 'pointermove', 'keydown', 'wheel', 'touchstart', 'scroll']

const PASSIVE = { passive: true, capture: true }

/** A tab that is hidden for less is not worth a word: people flip through their tabs. */
const HIDDEN_FOR_MS = 5_000

/** Watches a document for whether somebody is at it and looks at it. Returns what ends the watch. */
export function watchDocument(
  document: DocumentLike,
  platform: Platform,
  idleAfterMs: number | false,
  { setActivity, setVisible }: Pick<PresenceClient, 'setActivity' | 'setVisible'>,
): () => void {
  const idling = timer(platform)
  const hiding = timer(platform)
  let activeAt = platform.now()
  let isIdle = false

  // Signs come by the hundred: each costs a look at the clock, and no timer.
  function sign(): void {
    activeAt = platform.now()
    if (!isIdle) return
    isIdle = false
    setActivity('active')
    look()
  }

  function look(): void {
    if (idleAfterMs === false) return
    const left = activeAt + idleAfterMs - platform.now()
    if (left > 0) return idling.set(left, look)
    isIdle = true
    setActivity('idle')
  }

  function turn(): void {
    if (document.visibilityState === 'hidden') return hiding.set(HIDDEN_FOR_MS, () => setVisible(false))
    hiding.stop()
    setVisible(true)
    sign()
  }

  for (const type of SIGNS) document.addEventListener(type, sign, PASSIVE)
  document.addEventListener('visibilitychange', turn)
  look()
  if (document.visibilityState === 'hidden') turn()
  return () => {
    for (const type of SIGNS) document.removeEventListener(type, sign, PASSIVE)
    document.removeEventListener('visibilitychange', turn)
    idling.stop()
    hiding.stop()
  }
}
