import { constants, deflateRawSync } from 'node:zlib'
import { deflatedFrame, framesIn } from './frames.ts'

// Message compression (RFC 7692) for messages that go to many clients. A run of frames is deflated once, and all
// clients get the same bytes. So the output must not depend on what a client was sent before the run. It may depend
// on earlier messages of the run, because every client gets the whole run. Each message is deflated with the
// messages before it as its dictionary. A client keeps its window between messages, so it has these messages too.

/** Runs with fewer bytes are not deflated. */
const MIN_BYTES = 256

/**
 * Runs with more messages are not deflated. A message takes about 10 µs, so a longer run would block the event loop
 * for longer than a slice.
 */
const MAX_MESSAGES = 500

/** The largest dictionary. It is enough for similar messages, and small enough to load for each message. */
const DICTIONARY_BYTES = 1_024

/** For shorter messages, setting up the encoder costs more than compressing. */
const SHORT_BYTES = 1_024

/**
 * A low compression level. Similar messages become as small as with a high level, and larger messages nearly as
 * small, in half the time.
 */
const LEVEL = 3

/** Options for short messages: setting up this encoder takes a fifth of the time, and the output is the same. */
const SMALL = {
  level: LEVEL,
  windowBits: 11,
  memLevel: 3,
  chunkSize: 512,
  finishFlush: constants.Z_SYNC_FLUSH,
}
const LARGE = { level: LEVEL, finishFlush: constants.Z_SYNC_FLUSH }

/** The end of each flushed message, which is not sent (RFC 7692, section 7.2.1). */
const TAIL_BYTES = 4

/** Runs that may be deflated, with the deflated bytes after the first use. */
const known = new WeakMap<Buffer, Buffer | undefined>()

/** Marks a run of frames as worth deflating, because it is large or goes to many clients. Returns the run. */
export function deflatable(run: Buffer): Buffer {
  if (run.length >= MIN_BYTES && !known.has(run)) known.set(run, undefined)
  return run
}

/** Deflates a run that was marked with `deflatable`, once. Other runs are returned unchanged. */
export function deflated(run: Buffer): Buffer {
  if (!known.has(run)) return run
  let made = known.get(run)
  if (!made) {
    made = deflate(run)
    known.set(run, made)
  }
  return made
}

function deflate(run: Buffer): Buffer {
  const all = [...framesIn(run)]
  if (all.length > MAX_MESSAGES) return run
  const frames: Buffer[] = []
  let dictionary: Buffer = Buffer.alloc(0)
  for (const { frame, payload } of all) {
    const small = deflateRawSync(payload, {
      ...(payload.length < SHORT_BYTES ? SMALL : LARGE),
      ...(dictionary.length > 0 && { dictionary }),
    }).subarray(0, -TAIL_BYTES)
    if (small.length >= payload.length) {
      frames.push(frame)
      continue
    }
    frames.push(deflatedFrame(small))
    // A message that is sent uncompressed does not enter the client's window.
    dictionary = Buffer.concat([dictionary, payload]).subarray(-DICTIONARY_BYTES)
  }
  return Buffer.concat(frames)
}
