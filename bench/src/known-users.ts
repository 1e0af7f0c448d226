/** A user id with the length of a UUID without dashes. */
export function idOf(index: number): string {
  return `user-${String(index).padStart(27, '0')}`
}
