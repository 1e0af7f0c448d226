/*
 * A process that takes locks when told to: `lock.test.ts` starts many and lets them race.
 */
import { randomUUID } from 'node:crypto'
import { nodeDisk } from '../disk.ts'
import { type Host, thisHost } from '../host.ts'
import { Lock } from '../lock.ts'
import { StoreLocked } from '../store.ts'

/** `hides`: as if its pid meant nothing to anybody, as that of a process in another container. */
export type Command = { readonly take: string; readonly hides?: boolean } | { readonly release: true }
export type Answer =
  | { readonly took: boolean; readonly why?: string }
  | { readonly released: true }
  | { readonly ready: true }

/** What a process of another pid namespace is and sees: every one of them is pid 1, with its own /proc. */
export function inAnotherContainer(host: Host): Host {
  const namespace = `pid:[${randomUUID()}]`
  return {
    self: { pid: 1, started: '100', namespace },
    isRunning: (owner, lock) => host.isRunning(owner, lock),
    light: (lock, id) => host.light?.(lock, id) ?? Promise.resolve(undefined),
  }
}

let lock: Lock | undefined

async function obey(order: Command): Promise<Answer> {
  if ('release' in order) {
    await lock?.release()
    lock = undefined
    return { released: true }
  }
  try {
    lock = await Lock.acquire(nodeDisk, order.take, order.hides ? inAnotherContainer(thisHost) : thisHost)
    return { took: true }
  } catch (error) {
    if (error instanceof StoreLocked) return { took: false, why: error.message }
    return { took: false, why: `broken: ${error}` }
  }
}

if (import.meta.filename === process.argv[1]) {
  process.on('message', (order: Command) => {
    void obey(order).then(answer => process.send?.(answer))
  })
  process.on('disconnect', () => process.exit())
  process.send?.({ ready: true } satisfies Answer)
}
