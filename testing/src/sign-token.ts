import { createHmac } from 'node:crypto'

/** Signs a token (JWT) with HS256. The test says all claims, also `exp`. */
export function signToken(claims: object, secret: string): string {
  const base64url = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const signed = `${base64url({ alg: 'HS256' })}.${base64url(claims)}`
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`
}
