/** A client that is served among others. What is thrown meanwhile is a bug, which must concern only this client. */
export interface Served {
  /** Logs a bug that occurred while this client was served, and closes only its connection. Never throws. */
  fail(error: unknown): void
}

/**
 * Serves one client in a loop over many, or in a timer. A bug closes the connection of that client, and the others are
 * served.
 *
 * Code that is not about one client has no such guard. If the ticker, a deadline of the core or the content of a window
 * fails, the server may show users wrongly. So the bug ends the process: the state is on disk, and all clients
 * reconnect.
 */
export function serve<Client extends Served>(client: Client, task: (client: Client) => void): void {
  try {
    task(client)
  } catch (error) {
    client.fail(error)
  }
}
