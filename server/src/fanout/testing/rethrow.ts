/** `Served.fail` of a test that expects no bug: what was thrown fails the test. */
export function rethrow(error: unknown): never {
  throw error
}
