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
export function session(platform: Platform, key: string, given: string | undefined): Session {
  const { storage, locks, random } = platform
  let release = (): void => {}
  let id: Promise<string> | string | undefined = given
  let isOver = false

  async function recall(): Promise<string> {
    const stored = storage?.getItem(key)
    return stored && (await lock(stored)) ? stored : make()
  }

  async function make(): Promise<string> {
    const made = `${random()}${random()}`.replaceAll('0.', '')
    await lock(made)
    try {
      storage?.setItem(key, made)
    } catch {
      // A storage that is full or forbidden: the id lives as long as the page.
    }
    return made
  }

  /** Whether the id is ours alone, as far as that can be known here. Held until the page is gone. */
  function lock(name: string): Promise<boolean> | true {
    if (!locks || isOver) return true
    return new Promise(resolve => {
      const held = (lock: unknown): Promise<void> | undefined => {
        resolve(lock !== null)
        if (lock === null) return undefined
        release()
        // Granted too late: nobody needs it any more.
        if (isOver) return undefined
        return new Promise(done => {
          release = done
        })
      }
      locks.request(`${key} ${name}`, { ifAvailable: true }, held).catch(() => resolve(true))
    })
  }

  return {
    async id(isNew) {
      // The first time it is needed: a client that is never connected locks nobody out.
      id = isNew ? make() : (id ?? recall())
      return id
    },
    end() {
      isOver = true
      release()
    },
  }
}
