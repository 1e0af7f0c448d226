import type {
  ConnectionState,
  Freshness,
  MyStatus,
  PresenceClient,
  PresenceError,
  PresenceUser,
  Readable,
  Status,
} from '@who-is-online/client'

/** A client without a connection: a test sends it messages and reads its calls. */
export interface FakeClient {
  readonly client: PresenceClient
  /** The calls of the client's functions, with their arguments. */
  readonly calls: string[]
  setConnection(state: ConnectionState, freshness: Freshness): void
  /** Sends users, each as `[id, status, text]`. */
  sendUsers(...users: readonly (readonly [string, Status, string?])[]): void
  /** Sends this user's choice. */
  sendChoice(status: MyStatus): void
  sendError(error: PresenceError): void
}

/** `lastSeen` of all users. */
export const LAST_SEEN = '2026-01-01T12:00:00.000Z'

/** Makes a fake client that is connecting. */
export function fakeClient(): FakeClient {
  const calls: string[] = []
  const connections: ((state: ConnectionState) => void)[] = []
  const changes: ((users: readonly PresenceUser[]) => void)[] = []
  const choices: ((status: MyStatus) => void)[] = []
  const errors: ((error: PresenceError) => void)[] = []
  let connectionStatus: ConnectionState = 'connecting'
  let freshness: Freshness = 'stale'
  let myStatus: MyStatus = { status: 'online' }
  let refusal: PresenceError | undefined

  function addTo<Listener>(listeners: Listener[]): (listener: Listener) => () => void {
    return listener => {
      listeners.push(listener)
      return () => {}
    }
  }

  /** A readable that never changes. */
  function readable<Value>(value: Value): Readable<Value> {
    return { get: () => value, subscribe: () => () => {} } as object as Readable<Value>
  }

  const client: PresenceClient = {
    subscribe: () => () => {},
    watchAll() {
      calls.push('watchAll')
      return () => {}
    },
    watchCount: () => () => {},
    get: () => undefined,
    user: () => readable(undefined),
    list: () => readable([]),
    onlineCount: () => readable(undefined),
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
      calls.push(['setStatus', status, text, expiresAt].filter(Boolean).join(' '))
      return myStatus
    },
    identify: async () => {},
    setActivity: () => {},
    setVisible: () => {},
    serverTime: () => Date.parse(LAST_SEEN),
    get connectionStatus() {
      return connectionStatus
    },
    get refusal() {
      return refusal
    },
    connect: () => {},
    close() {
      calls.push('close')
    },
    onChange: addTo(changes),
    onCount: () => () => {},
    onMyStatus: addTo(choices),
    onConnectionChange: addTo(connections),
    onError: addTo(errors),
  }

  return {
    client,
    calls,
    setConnection(state, freshnessNow) {
      connectionStatus = state
      freshness = freshnessNow
      for (const listener of connections) listener(state)
    },
    sendUsers(...users) {
      const sent = users.map(([userId, status, text]) => {
        return { userId, status, text, lastSeen: LAST_SEEN, freshness }
      })
      for (const listener of changes) listener(sent)
    },
    sendChoice(status) {
      myStatus = status
      for (const listener of choices) listener(status)
    },
    sendError(error) {
      refusal = error
      for (const listener of errors) listener(error)
    },
  }
}
