import type { PresenceClient } from './api.ts'
import { createClient } from './client.ts'
import { warn } from './development.ts'
import { PresenceError } from './errors.ts'
import type { UserId } from './ids.ts'
import type { ClientOptions, CommonOptions } from './options.ts'

/**
 * The options of a provider that creates its client, and closes it when it is removed and when another user logs in.
 * Only `url`, `userId` and `sessionId` make another client; of functions the newest is called; other options are read
 * when the client is created.
 */
export interface OwnedOptions extends CommonOptions {
  /**
   * The user who is logged in. `undefined` or `null`: nobody is, and there is no client. With `getToken` it must be the
   * user of the token: a server that checks no tokens reads it, and others refuse another user. Leave it out if the
   * token or cookies alone say who connects.
   */
  readonly userId?: UserId | null | undefined
  /**
   * Returns a valid token, see `ClientOptions`. Without `userId`, `undefined` or `null` means that nobody is logged in.
   */
  readonly getToken?: (() => string | Promise<string>) | null | undefined
  /** Renews the cookies that say who connects, see `ClientOptions`. */
  readonly renew?: (() => unknown) | undefined
  /** Called with errors that no promise reports. Default: in development they are printed. */
  readonly onError?: ((error: PresenceError) => void) | undefined
}

/** Identifies the client that these options ask for. Undefined while nobody is logged in. */
export function keyOf(options: OwnedOptions): string | undefined {
  const { url, userId, getToken, sessionId } = options
  const isLoggedOut = 'userId' in options ? userId == null : 'getToken' in options && !getToken
  return isLoggedOut ? undefined : JSON.stringify([url, `${userId ?? ''}`, !!getToken, sessionId])
}

/** Makes the `setStatus` of a component. `current` returns its client; without one, `setStatus` rejects. */
export function setStatusOf(current: () => PresenceClient | undefined): PresenceClient['setStatus'] {
  return async (...args) => {
    const client = current()
    if (!client) throw new PresenceError('closed', 'nobody is logged in: log in first')
    return client.setStatus(...args)
  }
}

/**
 * Makes the client that the options ask for; undefined for invalid ones, which are reported. `current` returns the
 * newest options.
 */
export function createOwned(current: () => OwnedOptions): PresenceClient | undefined {
  const { userId, getToken, renew, onError, ...common } = current()
  const report = (error: PresenceError): void => {
    const listener = current().onError
    if (listener) listener(error)
    else warn(error.message)
  }
  try {
    const client = createClient({
      ...common,
      ...(userId != null && { userId }),
      ...(getToken && { getToken: () => (current().getToken ?? getToken)() }),
      ...(renew && { renew: () => (current().renew ?? renew)() }),
    } as ClientOptions)
    client.onError(report)
    return client
  } catch (error) {
    report(error as PresenceError)
    return undefined
  }
}
