/** What a log line says about something that was thrown: its stack, if it has one. */
export function stackOf(error: unknown): string {
  return (error as Error | undefined)?.stack ?? String(error)
}
