/** Does something later, once: how a browser draws. */
export type Later = (task: () => void) => void

/**
 * Makes a function that lets `task` run with the next frame, once, however often it is called until then: a hundred
 * messages between two frames are drawn as one.
 */
export function perFrame(task: () => void, later: Later): () => void {
  let isDue = false
  return () => {
    if (isDue) return
    isDue = true
    later(() => {
      isDue = false
      task()
    })
  }
}
