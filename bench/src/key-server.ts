import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TokenKey } from './load/tokens.ts'

const KID = 'bench'

/** How long an answer takes, in ms, as from a provider on the internet. All arrivals wait for the first one. */
const ANSWER_MS = 100

/** An issuer with one key for ES256, which publishes its public key on loopback. */
export class KeyServer {
  /** What signs the tokens of this issuer. */
  readonly key: Extract<TokenKey, { alg: 'ES256' }>
  readonly #http: Server

  private constructor() {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const jwk = { ...publicKey.export({ format: 'jwk' }), kid: KID, alg: 'ES256', use: 'sig' }
    this.key = {
      alg: 'ES256',
      kid: KID,
      privateKey: privateKey.export({ format: 'jwk' }),
      issuer: 'https://issuer.test',
      audience: 'presence',
    }
    this.#http = createServer((_request, response) => {
      response.setHeader('Content-Type', 'application/json')
      setTimeout(() => response.end(JSON.stringify({ keys: [jwk] })), ANSWER_MS)
    })
  }

  /** Starts one, calls `use`, and stops it in every case. */
  static async with<T>(use: (server: KeyServer) => Promise<T>): Promise<T> {
    const server = new KeyServer()
    await once(server.#http.listen(0, '127.0.0.1'), 'listening')
    try {
      return await use(server)
    } finally {
      server.#http.closeAllConnections()
      server.#http.close()
    }
  }

  /** The URL of the key set (JWKS). */
  get url(): string {
    return `http://127.0.0.1:${(this.#http.address() as AddressInfo).port}/keys`
  }
}
