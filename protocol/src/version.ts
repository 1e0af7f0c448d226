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
  v2: 'ab892e29496bdc0c9db8208d2f730cd7a836b1e234ae05acae300f2d947a3cbe',
} as const
