import type { PresenceClient } from './api.ts'
import type { EventSourceLike, Platform } from './platform.ts'
import { timer } from './timer.ts'

/** What shows that somebody is there. */
const SIGNS = ['pointerdown', 'pointermove', 'keydown', 'wheel', 'scroll']

const PASSIVE = { passive: true, capture: true }

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
  const ends = [idling.stop, hiding.stop]
  let activeAt = platform.now()
  let isIdle = false

  function listen(source: EventSourceLike, type: string, listener: () => void): void {
    source.addEventListener(type, listener, PASSIVE)
    ends.push(() => source.removeEventListener(type, listener, PASSIVE))
  }

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
    if (document?.visibilityState === 'hidden') return hiding.set(HIDDEN_FOR_MS, () => setVisible(false))
    hiding.stop()
    setVisible(true)
    sign()
  }

  if (network) listen(network, 'online', wake)
  if (document) {
    for (const type of SIGNS) listen(document, type, sign)
    listen(document, 'visibilitychange', turn)
    look()
    turn()
  }
  return () => {
    for (const end of ends) end()
  }
}
