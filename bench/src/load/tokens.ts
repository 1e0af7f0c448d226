import { createHmac, createPrivateKey, type JsonWebKey, sign } from 'node:crypto'

/** What the load generator signs tokens with. */
export type TokenKey =
  | { alg: 'HS256'; secret: string }
  | { alg: 'ES256'; kid: string; privateKey: JsonWebKey; issuer: string; audience: string }

/** How long tokens are valid, in seconds: longer than any run. */
const VALID_FOR_S = 3_600

/** Makes a token for each of these users. */
export function tokensFor(userIds: readonly string[], key: TokenKey): Map<string, string> {
  const { header, claims, signatureOf } = signerOf(key)
  const iat = Math.floor(Date.now() / 1_000)
  const token = (sub: string): string => {
    const text = [header, { ...claims, sub, iat, exp: iat + VALID_FOR_S }].map(base64url).join('.')
    return `${text}.${signatureOf(text)}`
  }
  return new Map(userIds.map(userId => [userId, token(userId)]))
}

interface Signer {
  header: object
  claims: object
  signatureOf(text: string): string
}

function signerOf(key: TokenKey): Signer {
  if (key.alg === 'HS256') {
    return {
      header: { alg: 'HS256', typ: 'JWT' },
      claims: {},
      signatureOf: text => createHmac('sha256', key.secret).update(text).digest('base64url'),
    }
  }
  const { kid, issuer, audience } = key
  const privateKey = createPrivateKey({ key: key.privateKey, format: 'jwk' })
  return {
    header: { alg: 'ES256', typ: 'JWT', kid },
    claims: { iss: issuer, aud: audience },
    signatureOf: text =>
      sign('sha256', Buffer.from(text), { key: privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url'),
  }
}

function base64url(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}
