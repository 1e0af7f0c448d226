import type { ClientOptions } from '@who-is-online/client'
import { OBSERVER_ID } from './observer.ts'

/** How the page may connect. */
export interface Access {
  /** The part of the client's options that says who connects. */
  readonly identity: Pick<ClientOptions, 'userId' | 'getToken'>
  /** Whether the server believes user ids without a token, so that the page can connect as any user. */
  readonly isOpen: boolean
}

/**
 * Asks the server for a token. A server that does not check tokens has none. If the answer is lost, the client asks
 * again before it connects.
 *
 * @param url the address of the tokens
 */
export async function askForAccess(url: string, request: typeof fetch): Promise<Access> {
  const ask = async (): Promise<string | null> => {
    const response = await request(url)
    if (!response.ok) throw new Error(`the server answered ${response.status}`)
    const { token } = (await response.json()) as { readonly token: string | null }
    return token
  }
  const getToken = async (): Promise<string> => (await ask()) ?? ''
  const first = await ask().catch(() => undefined)
  if (first === null) return { identity: { userId: OBSERVER_ID }, isOpen: true }
  return { identity: { getToken }, isOpen: false }
}
