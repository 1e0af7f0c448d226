import type { PresenceClient } from './api.ts'

// What only developers see. Bundlers replace `process.env.NODE_ENV`, so the name must stand there as it is.

declare const process: { readonly env: { readonly NODE_ENV?: string } }
declare const console: { warn(text: string): void }

/** The closed clients of which the developer was told. */
const told = new WeakSet<PresenceClient>()

/** Prints a warning. In production, and where nobody says what this is, it prints nothing. */
export function warn(text: string): void {
  try {
    if (process.env.NODE_ENV === 'production') return
  } catch {
    return
  }
  console.warn(`who-is-online: ${text}`)
}

/** Warns, once for each client, if a component uses a client that is closed: it shows no user, without an error. */
export function warnIfClosed(client: PresenceClient): void {
  if (client.connectionStatus !== 'closed' || told.has(client)) return
  told.add(client)
  warn(
    'a component uses a client that was closed, so it shows nobody. Give the provider `url` and `userId`, and it creates and closes its client; or close a client only when no component uses it.',
  )
}
