import type {
  ConnectionState,
  Freshness,
  MyStatus,
  PresenceClient,
  PresenceError,
  PresenceUser,
  Status,
} from '@who-is-online/client'

/** A client without a connection: tests say what it hears, and see what it was asked. */
export interface FakeClient {
  readonly client: PresenceClient
  readonly asked: string[]
  /** The connection is another now. */
  becomes(state: ConnectionState, freshness: Freshness): void
  /** The server tells of users, `[id, status, text]` each. */
  tells(...users: readonly (readonly [string, Status, string?])[]): void
  /** The server tells what this user has chosen. */
  chose(status: MyStatus): void
  fails(error: PresenceError): void
}

export const LAST_SEEN = '2026-01-01T12:00:00.000Z'

export function fakeClient(): FakeClient {
  const asked: string[] = []
  const connections: ((state: ConnectionState) => void)[] = []
  const changes: ((users: readonly PresenceUser[]) => void)[] = []
  const choices: ((status: MyStatus) => void)[] = []
  const errors: ((error: PresenceError) => void)[] = []
  let connectionStatus: ConnectionState = 'connecting'
  let freshness: Freshness = 'stale'
  let myStatus: MyStatus = { status: 'online' }
  let refusal: PresenceError | undefined

  function listen<Listener>(listeners: Listener[]): (listener: Listener) => () => void {
    return listener => {
      listeners.push(listener)
      return () => {}
    }
  }

  const client: PresenceClient = {
    subscribe: () => () => {},
    watchAll() {
      asked.push('watchAll')
      return () => {}
    },
    watchCount: () => () => {},
    get: () => undefined,
    users: () => [],
    count: undefined,
    get freshness() {
      return freshness
    },
    getUsers: async () => [],
    get myStatus() {
      return myStatus
    },
    async setStatus(status, { text, expiresAt } = {}) {
      asked.push(['setStatus', status, text, expiresAt].filter(Boolean).join(' '))
      return myStatus
    },
    identify: async () => {},
    setActivity: () => {},
    setVisible: () => {},
    get connectionStatus() {
      return connectionStatus
    },
    get refusal() {
      return refusal
    },
    connect: () => {},
    close() {
      asked.push('close')
    },
    onChange: listen(changes),
    onCount: () => () => {},
    onMyStatus: listen(choices),
    onConnectionChange: listen(connections),
    onError: listen(errors),
  }

  return {
    client,
    asked,
    becomes(state, isFresh) {
      connectionStatus = state
      freshness = isFresh
      for (const listener of connections) listener(state)
    },
    tells(...users) {
      const told = users.map(([userId, status, text]) => {
        return { userId, status, text, lastSeen: LAST_SEEN, freshness }
      })
      for (const listener of changes) listener(told)
    },
    chose(status) {
      myStatus = status
      for (const listener of choices) listener(status)
    },
    fails(error) {
      refusal = error
      for (const listener of errors) listener(error)
    },
  }
}
