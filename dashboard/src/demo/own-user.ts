import { type ReadonlySignal, signal } from '@preact/signals'
import type { ClientOptions, ConnectionState, PresenceClient, Status } from '@who-is-online/client'

/** Who the user of this tab connects as. */
export interface Identity {
  readonly userId: string
  readonly username: string | undefined
}

/** The user of this tab: nobody (`out`), or a user with a connection (`in`). */
export type OwnUser =
  | { readonly state: 'out' }
  | {
      readonly state: 'in'
      readonly identity: Identity
      readonly connection: ConnectionState
      readonly status: Status
      readonly text: string | undefined
    }

/** The user of this tab and what the form can do. */
export interface OwnUserModel {
  readonly user: ReadonlySignal<OwnUser>
  /** The last error as a sentence; empty if there is no error. */
  readonly problem: ReadonlySignal<string>
  connect(identity: Identity, status: Status): void
  setStatus(status: Status, text: string): void
  disconnect(): void
}

/** Where the identity is kept over a reload of the page. */
export type IdentityStorage = Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>

const STORAGE_KEY = 'who-is-online:me'

/**
 * Makes the user of this tab. It has a connection of its own, made by `makeClient`, so that the page
 * continues to show all users, and others see at once when the user disconnects. After a reload the user in
 * `storage` connects again.
 */
export function ownUser(
  makeClient: (identity: Pick<ClientOptions, 'username'> & { userId: string }) => PresenceClient,
  storage: IdentityStorage | undefined,
): OwnUserModel {
  const user = signal<OwnUser>({ state: 'out' })
  const problem = signal('')
  let client: PresenceClient | undefined

  function connect(identity: Identity, status: Status | undefined): void {
    client?.close()
    problem.value = ''
    const { userId, username } = identity
    const current = makeClient({ userId, ...(username !== undefined && { username }) })
    client = current
    const update = (): void => {
      if (client !== current) return
      const { status, text } = current.myStatus
      user.value = { state: 'in', identity, connection: current.connectionStatus, status, text }
    }
    current.onConnectionChange(update)
    current.onMyStatus(update)
    current.onError(error => {
      if (client !== current) return
      if (error.code === 'refused') disconnect()
      problem.value = `The server refused this: ${error.message}`
    })
    update()
    store(storage, identity)
    if (status !== undefined && status !== 'online') setStatus(status, '')
  }

  function setStatus(status: Status, text: string): void {
    const current = client
    problem.value = ''
    current?.setStatus(status, { text }).catch((error: Error) => {
      if (client !== current) return
      problem.value = `The status could not be set: ${error.message}`
      // Another object, so that the form shows the status in force instead of the chosen one.
      user.value = { ...user.value }
    })
  }

  function disconnect(): void {
    client?.close()
    client = undefined
    user.value = { state: 'out' }
    store(storage, undefined)
  }

  const stored = readStored(storage)
  // Without a status: the server and the client keep the one from before the reload.
  if (stored) connect(stored, undefined)

  return { user, problem, connect, setStatus, disconnect }
}

function store(storage: IdentityStorage | undefined, identity: Identity | undefined): void {
  try {
    if (identity) storage?.setItem(STORAGE_KEY, JSON.stringify(identity))
    else storage?.removeItem(STORAGE_KEY)
  } catch {
    // The storage is full or forbidden: after a reload the user connects by hand.
  }
}

function readStored(storage: IdentityStorage | undefined): Identity | undefined {
  try {
    const { userId, username }: Partial<Record<keyof Identity, unknown>> = JSON.parse(
      storage?.getItem(STORAGE_KEY) ?? '{}',
    )
    if (typeof userId !== 'string' || userId === '') return undefined
    return { userId, username: typeof username === 'string' ? username : undefined }
  } catch {
    return undefined
  }
}

/** Returns what is wrong with a user id or a name, as a sentence; `undefined` for a valid one. */
export function nameProblem(name: string): string | undefined {
  if (/\p{Cc}/u.test(name)) return 'Remove the control characters.'
  if (new TextEncoder().encode(name).length > 128) return 'This is too long: use at most 128 bytes.'
  return undefined
}
