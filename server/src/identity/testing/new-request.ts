import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import type { IdentityRequest } from '../identity.ts'

/** Makes a request without any credential. */
export function newRequest(what: Partial<IdentityRequest>): IdentityRequest {
  return {
    request: new IncomingMessage(new Socket()),
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
