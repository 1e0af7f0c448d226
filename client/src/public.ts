// What an application needs beside the functions of a module. Each module of the package exports it, so that a page
// needs one import.

export type { PresenceClient } from './api.ts'
export type { MyStatus } from './choice.ts'
export { PresenceError, type PresenceErrorCode } from './errors.ts'
export type { UserId } from './ids.ts'
export type { ConnectionState } from './machine.ts'
export type { Status, User } from './protocol.ts'
export type { Freshness, PresenceUser } from './user-view.ts'
