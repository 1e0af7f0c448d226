import type { ClientMessage } from '@who-is-online/protocol/catalogue'
import type { Refusal } from '@who-is-online/protocol/decode'

/** For each group of this many users in its reply, a request counts as one more message. */
const USERS_PER_MESSAGE = 100

/** A list of the users with one status counts as this many messages more: it may look at thousands of users. */
const FILTER_WEIGHT = 10

/** How many messages a request counts as, in addition to the weight of its text, because of its reply. */
export function replyWeightOf(request: ClientMessage | Refusal): number {
  if (request.type !== 'list_users') return 0
  return (
    Math.floor((request.limit ?? 0) / USERS_PER_MESSAGE) + (request.status === undefined ? 0 : FILTER_WEIGHT)
  )
}

/** Whether a request is one of those whose reply has all users. They have a limit of their own. */
export function asksForAllUsers(
  request: ClientMessage | Refusal,
): request is Extract<ClientMessage, { type: 'get_all_users' | 'subscribe' }> {
  return request.type === 'get_all_users' || (request.type === 'subscribe' && request.all === true)
}
