/**
 * The versions of the two dialects, and what they stand for: the SHA-256 of all their schemas. Whoever changes what
 * can be said raises a version (a new optional key: the second number; anything that a client of before would not
 * understand: the first) and pins the new hash; `version.test.ts` fails until then and prints it.
 */
export const PROTOCOL = {
  v1: { version: '1.0.0', schemas: '154b76a6366ad5f6392b495117709cda7591b789f734ce48e31b48f18c4aac11' },
  v2: { version: '2.0.0', schemas: 'fdb8e5172cf9f0b13654040077b428c0ad3191fe649af97c1e1fa7987ed72f1c' },
} as const
