import { ClientConnection, type Message, type Version } from './client-connection.ts'

/** The events of an observer. */
export interface ObserverEvents {
  /** The observer received the state of all users; users who are missing are offline. */
  synced(observer: string, state: ReadonlyMap<string, string>): void
  /** The observer lost its connection. */
  lost(observer: string): void
  /** The observer received the status of one user. */
  shown(observer: string, userId: string, status: string): void
}

/**
 * A client that observes all users: in v1 by the changes that every client receives, in v2 by `subscribe`.
 */
export function observe(
  options: { readonly url: string; readonly version: Version; readonly userId: string },
  random: () => number,
  events: ObserverEvents,
  onOpen: () => void,
): ClientConnection {
  const { version, userId } = options
  let pages: Message[] = []
  let isSynced = false
  const connection: ClientConnection = new ClientConnection({
    ...options,
    random,
    onWelcome: () => {
      pages = []
      isSynced = false
      connection.send(version === 'v1' ? { type: 'get_all_users' } : { type: 'subscribe', all: true })
      onOpen()
    },
    onMessage: message => (version === 'v1' ? receiveV1(message) : receiveV2(message)),
    onClose: () => events.lost(userId),
  })
  return connection

  function receiveV1(message: Message): void {
    if (message.type === 'all_users') state(message.users)
    if (message.type === 'user_status_change' && isSynced) shown(message)
  }

  function receiveV2(message: Message): void {
    if (message.type === 'presence_diff') for (const user of message.users) shown(user)
    if (message.type !== 'presence_state') return
    pages.push(...message.users)
    if (!message.last) return
    if (message.recovered) for (const user of pages) shown(user)
    else state(pages)
    pages = []
  }

  function state(users: readonly Message[]): void {
    isSynced = true
    events.synced(userId, new Map(users.map(({ userId: id, status }) => [id, status])))
  }

  function shown({ userId: id, status }: Message): void {
    events.shown(userId, id, status)
  }
}
