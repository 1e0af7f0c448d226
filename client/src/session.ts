import type { Platform } from './platform.ts'

export interface Session {
  /** The id; with `isNew`, another one than before. */
  id(isNew: boolean): Promise<string>
  /** Others may take the id from now on. */
  end(): void
}

/**
 * The id of this tab or device. It is the same over reconnects and reloads, by which the server knows a new connection
 * for the old one's. A browser that duplicates a tab copies its storage too: the lock tells the copy, and where there
 * are no locks the server does, with close code 4409.
 */
export function session(
  { storage, locks, random }: Platform,
  key: string,
  given: string | undefined,
): Session {
  let id: Promise<string> | string | undefined = given
  let end = (): void => {}
  const over = new Promise<void>(resolve => {
    end = resolve
  })

  async function find(isNew: boolean): Promise<string> {
    const made = String(random()).slice(2)
    try {
      const stored = isNew ? undefined : storage?.getItem(key)
      if (stored && (await lock(stored))) return stored
      storage?.setItem(key, made)
    } catch {
      // A storage that is full or forbidden: the id lives as long as the page.
    }
    await lock(made)
    return made
  }

  /** Whether the id is ours alone, as far as that can be known here. Held until the client or the page is gone. */
  function lock(name: string): unknown {
    if (!locks) return true
    return new Promise(resolve => {
      const held = (lock: unknown): unknown => {
        resolve(lock)
        return lock && over
      }
      locks.request(`${key} ${name}`, { ifAvailable: true }, held).catch(() => resolve(true))
    })
  }

  return {
    async id(isNew) {
      // The first time it is needed: a client that is never connected locks nobody out.
      if (isNew || !id) id = find(isNew)
      return id
    },
    end,
  }
}
