export type * from './api.ts'
export { ApiError, type ApiErrorCode, type ApiErrorDetails } from './api-error.ts'
export type { CallOptions } from './call-options.ts'
export type {
  ChangePage,
  ChangeRecord,
  PageOfChanges,
  PageOfState,
  Place,
} from './change-page.ts'
export type { ChangesEvent, ChangesOptions, FullState, SomeChanges } from './changes.ts'
export { type ApiClient, createApiClient } from './client.ts'
export type { ApiClientOptions } from './options.ts'
export { signToken, type TokenFields } from './token.ts'
export {
  type VerifyWebhookOptions,
  verifyWebhook,
  type WebhookHeaders,
  WebhookVerificationError,
} from './webhook.ts'
