/** The semantic version of each protocol version. */
export const PROTOCOL = { v1: '1.0.1', v2: '2.1.1' } as const

/**
 * The SHA-256 of all schemas of each version. If you change a schema, raise the version above and store the
 * new hash, which `version.test.ts` prints. Raise the major number for a change that existing clients do not
 * understand, the minor number for a new message or optional key, and the patch number if only a description
 * changed.
 */
export const SCHEMAS = {
  v1: 'c308e991b3955fc8c7cc2c68afbea534f13091ddbe65d3af482b2e196ab57b43',
  v2: 'c8e3656bce518aa0a243f36138e776d810639ba94d9ff8f79626247df2978e81',
} as const
