import { isName } from '@who-is-online/protocol/words'
import { BUCKET_COUNT, type BucketPlace } from './buckets.ts'

/**
 * The cursor of a place, for a client: `BUCKET.USERID`, the bucket in base 36. It has at most 132 bytes. It does not
 * depend on the run of this server, so it is valid after a restart and on another node.
 */
export function cursorOf({ bucket, after }: BucketPlace): string {
  return `${bucket.toString(36)}.${after}`
}

/** The place that a cursor stands for; `undefined` if it is not a cursor. */
export function placeOf(cursor: string): BucketPlace | undefined {
  const [, digits, after] = /^([0-9a-z]{1,3})\.(.*)$/s.exec(cursor) ?? []
  if (digits === undefined || after === undefined) return undefined
  const bucket = Number.parseInt(digits, 36)
  return bucket < BUCKET_COUNT && (after === '' || isName(after)) ? { bucket, after } : undefined
}
