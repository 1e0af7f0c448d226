import type { UserId } from '@who-is-online/protocol/words'
import { ALL_RIGHTS } from './grant.ts'
import type { Identity } from './identity.ts'

/**
 * Believes the user id in the URL without a proof. For development, and for servers behind a proxy that checks the
 * user id.
 *
 * @param observer the user id whose connections are observers; `undefined` without a live page
 */
export function openIdentity(observer: UserId | undefined): Identity {
  return {
    identify({ userId, username, names }) {
      if (userId === undefined) {
        const near = names.find(name => /^user[-_]?id$/i.test(name))
        const hint = near === undefined ? '' : ` (the name is "userId", not "${near}")`
        return { state: 'unusable', text: `"userId" is missing: connect to /ws?userId=ID${hint}` }
      }
      const rights = userId === observer ? { ...ALL_RIGHTS, observer: true } : ALL_RIGHTS
      return { state: 'known', grant: { userId, username, isNameFixed: false, expiresAt: undefined, rights } }
    },
    renew: () => ({
      state: 'refused',
      rule: 'application',
      text: 'this server does not check tokens (AUTH=open): the connection does not end, so send no "refresh"',
    }),
  }
}
