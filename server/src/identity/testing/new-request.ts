import type { IdentityRequest } from '../identity.ts'

/** Makes a request without any credential. */
export function newRequest(what: Partial<IdentityRequest>): IdentityRequest {
  return {
    headers: {},
    rawHeaders: [],
    userId: undefined,
    username: undefined,
    tokens: [],
    names: [],
    address: '8.8.8.8',
    countedAddress: undefined,
    isFromProxy: false,
    ...what,
  }
}
