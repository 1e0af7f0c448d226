// What an application imports from the package. The program is main.ts.

export type { ChangePage } from './changes/page.ts'
export type { ChangeRecord } from './changes/record.ts'
export {
  type ChangesOptions,
  createPresence,
  type EmbeddedPresence,
  type Id,
  type NewStatus,
  type PresenceOptions,
} from './embedding/create-presence.ts'
export type { EmbeddingSettings } from './embedding/settings.ts'
export type { Next } from './http/handler.ts'
export type { Authenticate, AuthenticatedUser } from './identity/authenticate.ts'
export type { LogLine } from './log/function-log.ts'
export type { LogFields } from './log.ts'
export { WrongSettings } from './settings.ts'
export { StoreDamaged, StoreLocked, StoreUnusable } from './storage/store.ts'
export type { PresenceUser } from './user-json.ts'
