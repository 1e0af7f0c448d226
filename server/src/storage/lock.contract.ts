/*
 * A process that takes locks when told to: `lock.test.ts` starts many and lets them race.
 */
import { nodeDisk } from './disk.ts'
import { Lock, thisHost } from './lock.ts'
import { StoreLocked } from './store.ts'

export type Order = { readonly take: string } | { readonly release: true }
export type Answer =
  | { readonly took: boolean; readonly why?: string }
  | { readonly released: true }
  | { readonly ready: true }

let lock: Lock | undefined

async function obey(order: Order): Promise<Answer> {
  if ('release' in order) {
    await lock?.release()
    lock = undefined
    return { released: true }
  }
  try {
    lock = await Lock.acquire(nodeDisk, order.take, thisHost)
    return { took: true }
  } catch (error) {
    if (error instanceof StoreLocked) return { took: false, why: error.message }
    return { took: false, why: `broken: ${error}` }
  }
}

if (import.meta.filename === process.argv[1]) {
  process.on('message', (order: Order) => {
    void obey(order).then(answer => process.send?.(answer))
  })
  process.on('disconnect', () => process.exit())
  process.send?.({ ready: true } satisfies Answer)
}
