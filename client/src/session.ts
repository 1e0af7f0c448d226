import type { Platform } from './platform.ts'

/** The session of this client: one tab or device of the user. */
export interface Session {
  /** Resolves with the session id; with `isNew`, with another one than before. */
  id(isNew: boolean): Promise<string>
  /** Releases the lock on the id, so that another client can use it. */
  close(): void
}

/**
 * Finds the session id: `given`, or the one stored under `key`, or a random one. It stays the same over
 * reconnects and reloads, so that the server recognizes the session. A duplicated tab has a copy of the
 * storage, and so the same id: the lock (Web Locks API) detects that, and where there are no locks the server
 * does (close code 4409).
 */
export function session(
  { storage, locks, random }: Platform,
  key: string,
  given: string | undefined,
): Session {
  let id: Promise<string> | string | undefined = given
  let close = (): void => {}
  const released = new Promise<void>(resolve => {
    close = resolve
  })

  async function find(isNew: boolean): Promise<string> {
    const randomId = String(random()).slice(2)
    try {
      const stored = !isNew && storage?.getItem(key)
      if (stored && (await lock(stored))) return stored
      storage?.setItem(key, randomId)
    } catch {
      // The storage is full or forbidden: the id lasts as long as the page.
    }
    await lock(randomId)
    return randomId
  }

  /**
   * Locks the id until the client is closed or the page is gone. Resolves with something false if another tab
   * has it.
   */
  function lock(name: string): unknown {
    if (!locks) return true
    return new Promise(resolve => {
      const granted = (lock: unknown): unknown => {
        resolve(lock)
        return lock && released
      }
      locks.request(`${key} ${name}`, { ifAvailable: true }, granted).catch(() => resolve(true))
    })
  }

  return {
    async id(isNew) {
      // Not before the first connection: a client that never connects must not keep others from using the id.
      if (isNew || !id) id = find(isNew)
      return id
    },
    close,
  }
}
