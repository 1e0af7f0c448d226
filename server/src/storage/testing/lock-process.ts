/*
 * A child process that acquires and releases locks on command. `lock.process.test.ts` starts many of them,
 * which race.
 */
import { randomUUID } from 'node:crypto'
import { nodeDisk } from '../disk.ts'
import { type Host, thisHost } from '../host.ts'
import { Lock } from '../lock.ts'
import { StoreLocked } from '../store.ts'

/**
 * A command to the child. `hidesPid`: act as a process in another container, whose pid means nothing here.
 */
export type Command = { readonly take: string; readonly hidesPid?: boolean } | { readonly release: true }
/** The answer of the child. `why` is the reason if it did not get the lock. */
export type Answer =
  | { readonly took: boolean; readonly why?: string }
  | { readonly released: true }
  | { readonly ready: true }

/**
 * A host as a process in another pid namespace sees it: every such process is pid 1 and has its own /proc.
 */
export function inAnotherContainer(host: Host): Host {
  const namespace = `pid:[${randomUUID()}]`
  return {
    self: { pid: 1, started: '100', namespace },
    isRunning: (owner, lock) => host.isRunning(owner, lock),
    openSocket: (lock, id) => host.openSocket?.(lock, id) ?? Promise.resolve(undefined),
  }
}

let lock: Lock | undefined

async function execute(command: Command): Promise<Answer> {
  if ('release' in command) {
    await lock?.release()
    lock = undefined
    return { released: true }
  }
  try {
    lock = await Lock.acquire(
      nodeDisk,
      command.take,
      command.hidesPid ? inAnotherContainer(thisHost) : thisHost,
    )
    return { took: true }
  } catch (error) {
    if (error instanceof StoreLocked) return { took: false, why: error.message }
    return { took: false, why: `broken: ${error}` }
  }
}

if (import.meta.filename === process.argv[1]) {
  process.on('message', (command: Command) => {
    void execute(command).then(answer => process.send?.(answer))
  })
  process.on('disconnect', () => process.exit())
  process.send?.({ ready: true } satisfies Answer)
}
