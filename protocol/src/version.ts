/** The versions of the two dialects. */
export const PROTOCOL = { v1: '1.0.0', v2: '2.0.0' } as const

/**
 * What the versions stand for: the SHA-256 of all schemas of a dialect. Whoever changes what can be said raises its
 * version above (a new optional key or a new message: the second number; anything that a client of before would not
 * understand: the first; only a description: the third) and pins the new hash, which `version.test.ts` tells.
 */
export const SCHEMAS = {
  v1: '154b76a6366ad5f6392b495117709cda7591b789f734ce48e31b48f18c4aac11',
  v2: '2dd50f3147a8c216e6fcaff7c6f14a9d05847cb8e63a78dba15da942f4498bfb',
} as const
