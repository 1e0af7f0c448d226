import type { RunningServer } from '@who-is-online/testing/start-server'
import type { Footprint } from './footprint.ts'

/** A way to make a server hold more than it should. */
export interface Attack {
  readonly title: string
  /**
   * What the server holds for the attackers while they are there. This is the negative control: if a measurement does
   * not show it, it would not show that it leaked either.
   */
  readonly holds: readonly (keyof Footprint)[]
  /**
   * Whether the attack runs once before the measurement, because the server remembers something of it on purpose: its
   * users, who are known afterwards, or a kind of log line.
   */
  readonly isRemembered?: boolean
  /**
   * Begins the attack. Resolves while the server holds most for it, with a function that ends it. That function waits
   * until the server has ended the connections of attackers that stay.
   */
  readonly begin: (server: RunningServer) => Promise<() => Promise<void>>
}
