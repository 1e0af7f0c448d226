import type { ClientMessage } from '@who-is-online/protocol/catalogue'
import type { UserId } from '@who-is-online/protocol/words'
import type { Grant } from './grant.ts'

/** The part of a grant that decides about requests. */
export type Permission = Pick<Grant, 'userId' | 'isNameFixed' | 'rights'>

/**
 * Says whether a grant permits a request.
 *
 * @returns `undefined` if it does, else the text of the refusal
 */
export function permits(permission: Permission, request: ClientMessage): string | undefined {
  switch (request.type) {
    case 'check_user_status':
      return permitsUsers(permission, [request.targetUserId])
    case 'get_users':
      return permitsUsers(permission, request.userIds)
    case 'get_online_count':
    case 'get_all_users':
    case 'list_users':
      return permitsAll(permission, `"${request.type}"`)
    case 'subscribe':
      return request.userIds
        ? permitsUsers(permission, request.userIds)
        : permitsAll(permission, `"subscribe" with "${request.all ? 'all' : 'count'}"`)
    case 'set_status':
      return permitsPresence(permission, 'set a status')
    case 'set_activity':
      return permitsPresence(permission, 'be active or idle')
    case 'identify':
      if (permission.isNameFixed) return 'the token has the name of the user: "identify" cannot change it'
      return permitsPresence(permission, 'set a name')
    case 'unsubscribe':
    case 'client_state':
    case 'refresh':
    case 'ping':
      return undefined
    default:
      // A request without a case is a compile error that names it.
      return request satisfies never
  }
}

/** Whether a grant permits to ask about everybody: lists, counts and all changes. */
export function seesAll({ rights }: Pick<Permission, 'rights'>): boolean {
  return rights.watch === 'all'
}

/** Whether a grant permits to ask about one user. Everybody may ask about oneself. */
export function sees({ userId: own, rights: { watch } }: Permission, userId: UserId): boolean {
  return typeof watch === 'string' || userId === own || watch.has(userId)
}

function permitsUsers(permission: Permission, userIds: readonly UserId[]): string | undefined {
  const unseen = userIds.find(userId => !sees(permission, userId))
  return unseen === undefined
    ? undefined
    : `the token does not allow asking about the user ${JSON.stringify(unseen)} ("watch")`
}

function permitsAll(permission: Permission, what: string): string | undefined {
  return seesAll(permission)
    ? undefined
    : `${what} needs a token with "watch": "all", or AUTH_WATCH=all on the server`
}

function permitsPresence({ rights }: Permission, what: string): string | undefined {
  return rights.observer ? `an observer cannot ${what}: connect as another user` : undefined
}
