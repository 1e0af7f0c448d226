import type { Identified, IdentityRequest } from './identity.ts'

/** Refuses a URL that names another user, or another name, than the credential. */
export function consistent(identified: Identified, { userId, username }: IdentityRequest): Identified {
  if (identified.state !== 'known') return identified
  const { grant } = identified
  if (userId !== undefined && userId !== grant.userId) {
    return {
      state: 'refused',
      rule: 'claim',
      text: '"userId" in the URL is not the user who was identified: leave it out',
    }
  }
  if (username === undefined || username === grant.username) return identified
  if (grant.isNameFixed) {
    return { state: 'unusable', text: '"username" is not allowed: the name of this user is given' }
  }
  return { state: 'known', grant: { ...grant, username } }
}
