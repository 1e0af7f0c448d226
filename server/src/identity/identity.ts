import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import type { PoolRefusal } from '../pool.ts'
import type { Grant } from './grant.ts'

/** The rules that a token must satisfy, in the order in which they are checked. */
export const RULES = ['size', 'format', 'algorithm', 'issuer', 'key', 'audience', 'time', 'claim'] as const

/** One rule that a token must satisfy. */
export type Rule = (typeof RULES)[number]

/** A broken rule. The text never contains a part of the token. */
export interface Failure {
  readonly rule: Rule
  readonly text: string
}

/** The result of identifying a client. No text in it contains a credential. */
export type Identified =
  | { readonly state: 'known'; readonly grant: Grant }
  /** The URL identifies no user. The client gets `text` and close code 4400. */
  | { readonly state: 'unusable'; readonly text: string }
  /**
   * There is no credential, or one that is not valid. A browser gets `text` and close code 4401, others HTTP 401.
   */
  | { readonly state: 'refused'; readonly rule: Rule | 'missing' | 'application'; readonly text: string }
  /** The request contradicts itself, or must not have this credential: HTTP 400 or 403. */
  | { readonly state: 'wrong request'; readonly status: 400 | 403; readonly text: string }
  /**
   * Another server, which knows the answer, can't be asked at present: HTTP 503. `full` says which limit of this server
   * was the reason.
   */
  | { readonly state: 'unavailable'; readonly text: string; readonly full?: PoolRefusal }

/** The parts of an upgrade request from which a client can be identified. */
export interface IdentityRequest {
  /** The request itself, for an application that reads its own sessions from it. */
  readonly request: IncomingMessage
  readonly headers: IncomingHttpHeaders
  readonly rawHeaders: readonly string[]
  /** The user id in the URL. */
  readonly userId: string | undefined
  /** The name in the URL. */
  readonly username: string | undefined
  /** The tokens in the URL (`?token=`). */
  readonly tokens: readonly string[]
  /** The names of all parameters in the URL. */
  readonly names: readonly string[]
  /** The address of the client. */
  readonly address: string
  /** The address as limits count it; `undefined` if they may not count it. */
  readonly countedAddress: string | undefined
  /** Whether the peer of the connection is in a range of TRUST_PROXY. */
  readonly isFromProxy: boolean
}

/**
 * The port that says who a client is and what it may do. An adapter that has to ask another server returns a promise,
 * which never rejects.
 */
export interface Identity {
  /** Identifies the client of an upgrade request. */
  identify(request: IdentityRequest): Identified | Promise<Identified>
  /**
   * Identifies an open connection again by a new token. The caller checks that it names the same user.
   *
   * @param token the text that the client sent; not checked before
   */
  renew(token: string): Identified | Promise<Identified>
}
