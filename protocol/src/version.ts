/** The versions of the two dialects. */
export const PROTOCOL = { v1: '1.0.1', v2: '2.1.0' } as const

/**
 * What the versions stand for: the SHA-256 of all schemas of a dialect. Whoever changes what can be said raises its
 * version above (a new optional key or a new message: the second number; anything that a client of before would not
 * understand: the first; only a description: the third) and pins the new hash, which `version.test.ts` tells.
 */
export const SCHEMAS = {
  v1: 'c308e991b3955fc8c7cc2c68afbea534f13091ddbe65d3af482b2e196ab57b43',
  v2: '7cd3c572c38d6e16d44b5943a0d1d4c64420421a4d002fc1af79fde408b9ac33',
} as const
