import { type ReadonlySignal, signal } from '@preact/signals'
import type { ClientOptions, ConnectionState, PresenceClient, Status } from '@who-is-online/client'

/** Who somebody connects as. */
export interface Name {
  readonly userId: string
  readonly username: string | undefined
}

/** Who sits in front of the page: nobody yet, or a user with a connection of their own. */
export type Me =
  | { readonly state: 'out' }
  | {
      readonly state: 'in'
      readonly name: Name
      readonly connection: ConnectionState
      readonly status: Status
      readonly text: string | undefined
    }

export interface Myself {
  readonly me: ReadonlySignal<Me>
  /** What went wrong last; empty when nothing did. */
  readonly problem: ReadonlySignal<string>
  connect(name: Name, status: Status): void
  choose(status: Status, text: string): void
  leave(): void
}

/** Where a name outlives a reload of the page. */
export type Memory = Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>

const REMEMBERED = 'who-is-online:me'

/**
 * The user of this tab. Has a connection of its own, made by `makeClient`: the page goes on watching, whoever comes and
 * goes here, and leaving is seen at once by everybody, this page included.
 */
export function myself(
  makeClient: (name: Pick<ClientOptions, 'username'> & { userId: string }) => PresenceClient,
  memory: Memory | undefined,
): Myself {
  const me = signal<Me>({ state: 'out' })
  const problem = signal('')
  let client: PresenceClient | undefined

  function connect(name: Name, status: Status | undefined): void {
    client?.close()
    problem.value = ''
    const { userId, username } = name
    const own = makeClient({ userId, ...(username !== undefined && { username }) })
    client = own
    const show = (): void => {
      if (client !== own) return
      const { status, text } = own.myStatus
      me.value = { state: 'in', name, connection: own.connectionStatus, status, text }
    }
    own.onConnectionChange(show)
    own.onMyStatus(show)
    own.onError(error => {
      if (client !== own) return
      if (error.code === 'refused') leave()
      problem.value = `The server says: ${error.message}`
    })
    show()
    remember(memory, name)
    if (status !== undefined && status !== 'online') choose(status, '')
  }

  function choose(status: Status, text: string): void {
    const own = client
    problem.value = ''
    own?.setStatus(status, { text }).catch((error: Error) => {
      if (client !== own) return
      problem.value = `The status was not taken: ${error.message}`
      // Drawn again, since the form shows what was asked for, and that is not so.
      me.value = { ...me.value }
    })
  }

  function leave(): void {
    client?.close()
    client = undefined
    me.value = { state: 'out' }
    remember(memory, undefined)
  }

  const before = remembered(memory)
  // A choice of before the reload is still in force.
  if (before) connect(before, undefined)

  return { me, problem, connect, choose, leave }
}

function remember(memory: Memory | undefined, name: Name | undefined): void {
  try {
    if (name) memory?.setItem(REMEMBERED, JSON.stringify(name))
    else memory?.removeItem(REMEMBERED)
  } catch {
    // A memory that is full or forbidden: after a reload one connects again by hand.
  }
}

function remembered(memory: Memory | undefined): Name | undefined {
  try {
    const { userId, username }: Partial<Record<keyof Name, unknown>> = JSON.parse(
      memory?.getItem(REMEMBERED) ?? '{}',
    )
    if (typeof userId !== 'string' || userId === '') return undefined
    return { userId, username: typeof username === 'string' ? username : undefined }
  } catch {
    return undefined
  }
}

/** What a user id or a name must be, in words; `undefined` for one that is fine. */
export function problemOfName(name: string): string | undefined {
  if (/\p{Cc}/u.test(name)) return 'There is a control character in it.'
  if (new TextEncoder().encode(name).length > 128) return 'It is longer than 128 bytes.'
  return undefined
}
