/** The semantic version of each protocol version. */
export const PROTOCOL = { v1: '1.0.2', v2: '2.4.0' } as const

/**
 * The SHA-256 of all schemas of each version. If you change a schema, raise the version above and store the
 * new hash, which `version.test.ts` prints. Raise the major number for a change that existing clients do not
 * understand, the minor number for a new message or optional key, and the patch number if only a description
 * changed.
 */
export const SCHEMAS = {
  v1: 'a746fee06062a268bae60600183845de5d001b76e4471e69840753c5d9aa25ab',
  v2: '38e314b9563442e3452af4f67b654e133cb386fbe4b4cf4e307ad7b8ea677906',
} as const
