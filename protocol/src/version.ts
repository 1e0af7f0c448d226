/** The semantic version of each protocol version. */
export const PROTOCOL = { v1: '1.0.2', v2: '2.2.0' } as const

/**
 * The SHA-256 of all schemas of each version. If you change a schema, raise the version above and store the
 * new hash, which `version.test.ts` prints. Raise the major number for a change that existing clients do not
 * understand, the minor number for a new message or optional key, and the patch number if only a description
 * changed.
 */
export const SCHEMAS = {
  v1: 'a746fee06062a268bae60600183845de5d001b76e4471e69840753c5d9aa25ab',
  v2: '650a592994744254874a8b56f5e0878cde73355bfda6ddde71e013e16b8048f7',
} as const
