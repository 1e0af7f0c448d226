/** Runs a task later, once; for example with the next animation frame. */
export type Schedule = (task: () => void) => void

/**
 * Returns a function that runs `task` with the next frame, once for all calls until then: a hundred messages
 * between two frames are drawn once.
 */
export function perFrame(task: () => void, schedule: Schedule): () => void {
  let isScheduled = false
  return () => {
    if (isScheduled) return
    isScheduled = true
    schedule(() => {
      isScheduled = false
      task()
    })
  }
}
