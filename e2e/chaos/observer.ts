import { Line, type Message, type Version } from './line.ts'

/** What an observer hears. */
export interface Hearing {
  /** The state of everybody; whoever is missing is offline. */
  synced(observer: string, state: ReadonlyMap<string, string>): void
  /** From now on the observer hears nothing. */
  lost(observer: string): void
  shown(observer: string, userId: string, status: string): void
}

/** A client that watches everybody: in v1 by the changes that every client is told, in v2 by `subscribe`. */
export function observe(
  options: { readonly url: string; readonly version: Version; readonly userId: string },
  random: () => number,
  hearing: Hearing,
  onOpen: () => void,
): Line {
  const { version, userId } = options
  let pages: Message[] = []
  let isSynced = false
  const line: Line = new Line({
    ...options,
    random,
    onWelcome: () => {
      pages = []
      isSynced = false
      line.send(version === 'v1' ? { type: 'get_all_users' } : { type: 'subscribe', all: true })
      onOpen()
    },
    onMessage: message => (version === 'v1' ? hearV1(message) : hearV2(message)),
    onClose: () => hearing.lost(userId),
  })
  return line

  function hearV1(message: Message): void {
    if (message.type === 'all_users') state(message.users)
    if (message.type === 'user_status_change' && isSynced) shown(message)
  }

  function hearV2(message: Message): void {
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
    hearing.synced(userId, new Map(users.map(({ userId: id, status }) => [id, status])))
  }

  function shown({ userId: id, status }: Message): void {
    hearing.shown(userId, id, status)
  }
}
