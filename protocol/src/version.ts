/** The semantic version of each protocol version. */
export const PROTOCOL = { v1: '1.0.1', v2: '2.1.2' } as const

/**
 * The SHA-256 of all schemas of each version. If you change a schema, raise the version above and store the
 * new hash, which `version.test.ts` prints. Raise the major number for a change that existing clients do not
 * understand, the minor number for a new message or optional key, and the patch number if only a description
 * changed.
 */
export const SCHEMAS = {
  v1: 'c308e991b3955fc8c7cc2c68afbea534f13091ddbe65d3af482b2e196ab57b43',
  v2: '085568873660acb39ca7db56f7d2f20e5137f736f9013780e88026f1b1f60de3',
} as const
