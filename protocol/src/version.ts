/** The semantic version of each protocol version. */
export const PROTOCOL = { v1: '1.0.2', v2: '2.3.0' } as const

/**
 * The SHA-256 of all schemas of each version. If you change a schema, raise the version above and store the
 * new hash, which `version.test.ts` prints. Raise the major number for a change that existing clients do not
 * understand, the minor number for a new message or optional key, and the patch number if only a description
 * changed.
 */
export const SCHEMAS = {
  v1: 'a746fee06062a268bae60600183845de5d001b76e4471e69840753c5d9aa25ab',
  v2: '07737ec5658e4c30427ac11a2931767493dff01b5657ca1e0bbeb3da30c5b4b9',
} as const
