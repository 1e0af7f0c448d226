import type { ClientOptions } from '@who-is-online/client'
import { OBSERVER_ID } from './observer.ts'

/** How the page may connect, and what it may offer. */
export interface Access {
  /** The part of the client's options that says who connects. */
  readonly identity: Pick<ClientOptions, 'userId' | 'getToken'>
  /** Whether the server believes user ids without a token. */
  readonly isOpen: boolean
  /** Whether the server runs for development. Only then the page offers to connect as a user. */
  readonly isDevelopment: boolean
  /** Whether the server is a node of a cluster, which the page then shows. */
  readonly isNode: boolean
}

interface Answer {
  readonly token: string | null
  readonly isDevelopment: boolean
  readonly isNode: boolean
}

/**
 * Asks the server for a token. A server that does not check tokens has none. If the answer is lost, the client asks
 * again before it connects.
 *
 * @param url the address of the tokens
 */
export async function askForAccess(url: string, request: typeof fetch): Promise<Access> {
  const ask = async (): Promise<Answer> => {
    const response = await request(url)
    if (!response.ok) throw new Error(`the server answered ${response.status}`)
    return (await response.json()) as Answer
  }
  const first = await ask().catch(() => undefined)
  const isDevelopment = first?.isDevelopment ?? false
  const isNode = first?.isNode ?? false
  if (first?.token === null) {
    return { identity: { userId: OBSERVER_ID }, isOpen: true, isDevelopment, isNode }
  }
  const getToken = async (): Promise<string> => (await ask()).token ?? ''
  return { identity: { getToken }, isOpen: false, isDevelopment, isNode }
}
