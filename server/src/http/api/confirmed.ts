/** How long a write waits until the other nodes know, in ms. */
const CONFIRM_MS = 2_000

/** Whether all nodes confirm within `CONFIRM_MS`. `undefined` if they have. */
export function isConfirmed(placed: Promise<void> | undefined): true | Promise<boolean> {
  if (!placed) return true
  return new Promise(resolve => {
    const timer = setTimeout(() => resolve(false), CONFIRM_MS)
    void placed.then(() => {
      clearTimeout(timer)
      resolve(true)
    })
  })
}
