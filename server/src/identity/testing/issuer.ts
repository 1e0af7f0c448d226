import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type CryptoKey, exportJWK, exportSPKI, generateKeyPair, type JWK, SignJWT } from 'jose'

/** How the server of keys behaves. */
export type Behaviour =
  | 'serve'
  | 'hang'
  /** Sends the headers and a part of the body, and nothing more. */
  | 'stall'
  | 'html'
  | 'not keys'
  | 'no keys'
  /** Keys of other kinds, for other uses, and malformed ones. */
  | 'unusable keys'
  | 'redirect'
  | 'error'
  | 'endless'
  | 'reset'

interface Key {
  readonly alg: string
  readonly kid: string | undefined
  readonly privateKey: CryptoKey
  readonly publicKey: CryptoKey
  readonly jwk: JWK
}

/** Claims of a token; `undefined` leaves a default claim out. */
export type TestClaims = Readonly<Record<string, unknown>>

/** An issuer of tokens with a real server on loopback. */
export class Issuer {
  behaviour: Behaviour = 'serve'
  /** How long published keys travel, in ms. A key that is added meanwhile is not among them. */
  travelMs = 0
  /** The `issuer` in the discovery document; `undefined`: its own. */
  claimsToBe: string | undefined
  /** The paths of all requests. */
  readonly requests: string[] = []
  readonly #http: Server
  #keys: Key[] = []
  #count = 0

  private constructor() {
    this.#http = createServer((request, response) => {
      this.requests.push(request.url ?? '')
      this.#answer(request, response)
    })
  }

  /** Starts an issuer with one key. */
  static async start(alg = 'ES256'): Promise<Issuer> {
    const issuer = new Issuer()
    await issuer.addKey(alg)
    await new Promise<void>(resolve => issuer.#http.listen(0, '127.0.0.1', resolve))
    return issuer
  }

  /** `http://127.0.0.1:PORT` */
  get url(): string {
    return `http://127.0.0.1:${(this.#http.address() as AddressInfo).port}`
  }

  get jwksUrl(): string {
    return `${this.url}/keys`
  }

  /** Adds a key, which signs from now on. Older keys remain published. */
  async addKey(alg = 'ES256', kid: string | undefined = `key ${++this.#count}`): Promise<void> {
    const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true })
    const jwk = { ...(await exportJWK(publicKey)), alg, use: 'sig', ...(kid !== undefined && { kid }) }
    this.#keys.push({ alg, kid, privateKey, publicKey, jwk })
  }

  /** Publishes only the newest key. */
  revokeOlderKeys(): void {
    this.#keys = this.#keys.slice(-1)
  }

  /** The newest public key in PEM form. */
  publicKey(): Promise<string> {
    return exportSPKI(this.#newest.publicKey)
  }

  /** Signs a token that is valid for an hour from `now`, in ms since the epoch. */
  sign(
    now: number,
    claims: TestClaims = {},
    header: { readonly kid?: string | undefined } = {},
  ): Promise<string> {
    const { alg, kid, privateKey } = this.#newest
    const seconds = Math.floor(now / 1_000)
    const defaults = { iss: this.url, aud: 'presence', sub: 'ann', iat: seconds, exp: seconds + 3_600 }
    return new SignJWT({ ...defaults, ...claims })
      .setProtectedHeader({ alg, ...(kid !== undefined && { kid }), ...(header as { kid?: string }) })
      .sign(privateKey)
  }

  stop(): void {
    this.#http.closeAllConnections()
    this.#http.close()
  }

  get #newest(): Key {
    return this.#keys.at(-1) as Key
  }

  #answer({ url }: IncomingMessage, response: ServerResponse): void {
    const json = (body: unknown): void => {
      response.setHeader('Content-Type', 'application/json')
      response.end(JSON.stringify(body))
    }
    if (url?.endsWith('/.well-known/openid-configuration')) {
      return json({ issuer: this.claimsToBe ?? this.url, jwks_uri: this.jwksUrl })
    }
    switch (this.behaviour) {
      case 'serve': {
        const keys = this.#keys.map(({ jwk }) => jwk)
        setTimeout(() => json({ keys }), this.travelMs)
        return
      }
      case 'hang':
        return
      case 'stall':
        response.write('{"keys": [')
        return
      case 'html':
        response.setHeader('Content-Type', 'text/html').end('<html>Sign in</html>')
        return
      case 'not keys':
        return json({ keys: 'none' })
      case 'no keys':
        return json({ keys: [] })
      case 'unusable keys': {
        const { jwk } = this.#newest
        const malformed = { kty: 'EC', crv: 'P-256', x: 'x' }
        const secret = { kty: 'oct', k: 'c2VjcmV0' }
        return json({ keys: [secret, malformed, { ...jwk, use: 'enc' }, { ...jwk, alg: 'ES384' }, {}] })
      }
      case 'redirect':
        response.writeHead(302, { Location: `${this.url}/other-keys` }).end()
        return
      case 'error':
        response.writeHead(500).end()
        return
      case 'endless':
        response.write('{"keys": [')
        for (let sent = 0; sent < 400; sent++) response.write(' '.repeat(1_024))
        return
      case 'reset':
        response.socket?.resetAndDestroy()
        return
    }
  }
}
