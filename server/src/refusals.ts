/** What all clients share, so that one client must not take all of it: see `Pool`. */
export type PoolName =
  | 'MAX_WATCHED_IDS'
  | 'AUTH_URL'
  /** The open streams of the API, and the requests for changes that wait. */
  | 'API_READERS'
  /** The connections that wait for their identity. */
  | 'PENDING_HANDSHAKES'

/** What was refused or delayed: the name of the setting, or a name of its own for what has no setting. */
export type Limit =
  | PoolName
  /** The share of one user or one address in a pool. */
  | `${PoolName}_SHARE`
  | 'MAX_CONNECTIONS'
  /** Half of all connections, where that is less than the setting for one user or one address. */
  | 'MAX_CONNECTIONS_SHARE'
  | 'MAX_CONNECTIONS_PER_USER'
  | 'MAX_CONNECTIONS_PER_ADDRESS'
  | 'HANDSHAKES_PER_SECOND'
  /** Half of the rate or the burst of all, where that is less than the settings for one address. */
  | 'HANDSHAKES_PER_SECOND_SHARE'
  | 'HANDSHAKES_PER_SECOND_PER_ADDRESS'
  | 'HTTP_REQUESTS_PER_SECOND_PER_ADDRESS'
  | 'API_REQUESTS_PER_SECOND'
  /** A key of the HTTP API that was missing or wrong. */
  | 'API_KEYS'
  | 'PIPELINING'
  | 'MESSAGES_PER_SECOND'
  | 'MAX_WATCHED_USERS'
  | 'MAX_BUFFERED_BYTES'
  | 'ALLOWED_ORIGINS'
  | 'ALLOWED_HOSTS'
  /** A credential that was missing or not accepted, whatever setting asks for it. */
  | 'AUTH'

/** Counts how often each limit was met, for the metrics. */
export class Refusals {
  readonly #counts: Record<Limit, number> = {
    MAX_CONNECTIONS: 0,
    MAX_CONNECTIONS_SHARE: 0,
    MAX_CONNECTIONS_PER_USER: 0,
    MAX_CONNECTIONS_PER_ADDRESS: 0,
    HANDSHAKES_PER_SECOND: 0,
    HANDSHAKES_PER_SECOND_SHARE: 0,
    HANDSHAKES_PER_SECOND_PER_ADDRESS: 0,
    HTTP_REQUESTS_PER_SECOND_PER_ADDRESS: 0,
    API_REQUESTS_PER_SECOND: 0,
    API_KEYS: 0,
    PIPELINING: 0,
    MESSAGES_PER_SECOND: 0,
    MAX_WATCHED_USERS: 0,
    MAX_WATCHED_IDS: 0,
    MAX_WATCHED_IDS_SHARE: 0,
    AUTH_URL: 0,
    AUTH_URL_SHARE: 0,
    API_READERS: 0,
    API_READERS_SHARE: 0,
    PENDING_HANDSHAKES: 0,
    PENDING_HANDSHAKES_SHARE: 0,
    MAX_BUFFERED_BYTES: 0,
    ALLOWED_ORIGINS: 0,
    ALLOWED_HOSTS: 0,
    AUTH: 0,
  }

  count(limit: Limit): void {
    this.#counts[limit]++
  }

  /** The counts since the start. */
  get counts(): Readonly<Record<Limit, number>> {
    return this.#counts
  }
}
