import { connect as connectTcp, type Socket } from 'node:net'
import { type ConnectionOptions, connect as connectTls } from 'node:tls'
import { AbstractConnector, type Redis, type SentinelConnectionOptions, SentinelConnector } from 'ioredis'

/** The part of the options of a client that a connector needs. */
interface Address {
  readonly host?: string
  readonly port?: number
  readonly tls?: ConnectionOptions
  readonly disconnectTimeout?: number
}

const ignore = (): void => {}

/**
 * Connects as ioredis does by itself, and keeps a listener for errors. A connection with a certificate that is not
 * trusted has two errors: that, and the answer of Redis to the end of the handshake. ioredis listens only to the first
 * one, and the second one would end the process.
 */
export class DirectConnector extends AbstractConnector {
  readonly #options: Address

  constructor(options: unknown) {
    const address = options as Address
    super(address.disconnectTimeout ?? 0)
    this.#options = address
  }

  override async connect(): Promise<Socket> {
    const { host = 'localhost', port = 6379, tls } = this.#options
    this.connecting = true
    const stream = tls ? connectTls({ ...tls, host, port }) : connectTcp({ host, port })
    this.stream = stream
    return stream.once('error', error => (this.firstError = error)).on('error', ignore)
  }
}

const ASKS_FOR_NONE = /without any password configured/

/**
 * Lets a client log in to a Redis that asks for no password. ioredis would print that to the console, for each
 * connection.
 *
 * @param ignored the errors of a login that don't matter
 */
export function needNoPassword(client: Redis, ignored = ASKS_FOR_NONE): Redis {
  const auth = client.auth.bind(client) as (...login: unknown[]) => Promise<'OK'>
  client.auth = async (...login: unknown[]) => {
    try {
      return await auth(...login)
    } catch (error) {
      if (ignored.test(`${error}`)) return 'OK'
      throw error
    }
  }
  // The client of a Redis Cluster asks a copy for the slots.
  const duplicate = client.duplicate.bind(client)
  client.duplicate = options => needNoPassword(duplicate(options), ignored)
  return client
}

/**
 * Asks the sentinels for the address, and watches them for a failover. It keeps listeners for errors, as
 * {@link DirectConnector} does. If a sentinel is down, ioredis would print that to the console, because only it has the
 * connection and nothing listens to its errors.
 */
export class QuietSentinelConnector extends SentinelConnector {
  constructor(options: unknown) {
    super(options as SentinelConnectionOptions)
    const connect: (endpoint: unknown, options: object) => Redis = this['connectToSentinel'].bind(this)
    this['connectToSentinel'] = (endpoint: unknown, others: object) =>
      needNoPassword(
        connect(endpoint, { ...others, Connector: DirectConnector }).on('error', ignore),
        // A sentinel may have other users than Redis. If it needs one, it refuses the next command.
        /./s,
      )
  }

  override async connect(...args: Parameters<SentinelConnector['connect']>): Promise<Socket> {
    return (await super.connect(...args)).on('error', ignore)
  }
}
