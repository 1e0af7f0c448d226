import { constants, deflateRawSync } from 'node:zlib'
import { deflatedFrame, framesIn } from './frames.ts'

// Compression by message (RFC 7692), the other way round: what many are told is deflated once, and the same bytes go to
// all. That needs an encoder without a memory of what this or that client was sent before. Within a run of frames it may
// have one, for all get the run whole: each message is deflated with those before it in the run as its dictionary. A
// client keeps its window from message to message, and finds there what the run has put in.

/** Fewer bytes than these in one write are not worth it. */
const MIN_BYTES = 256

/** More messages than these would hold the loop for longer than a slice: some 10 µs each. They go as they are. */
const MAX_MESSAGES = 500

/** Enough for messages that are alike, little enough to be read anew for each of them. */
const DICTIONARY_BYTES = 1_024

/** Below this, what an encoder needs to be set up counts for more than what it finds. */
const SHORT_BYTES = 1_024

/** Little effort: messages that are alike become as small, and larger ones nearly so, in half the time. */
const LEVEL = 3

/** A small encoder: to set it up for each message takes a fifth of the time, and the bytes are the same. */
const SMALL = {
  level: LEVEL,
  windowBits: 11,
  memLevel: 3,
  chunkSize: 512,
  finishFlush: constants.Z_SYNC_FLUSH,
}
const LARGE = { level: LEVEL, finishFlush: constants.Z_SYNC_FLUSH }

/** What a message ends with when it is flushed, and is sent without (RFC 7692, section 7.2.1). */
const TAIL_BYTES = 4

/** Runs that may be deflated, with what they became once somebody asked. */
const known = new WeakMap<Buffer, Buffer | undefined>()

/** Says of whole frames that they are worth deflating: because they are many bytes, or go to many. Returns them. */
export function deflatable(run: Buffer): Buffer {
  if (run.length >= MIN_BYTES && !known.has(run)) known.set(run, undefined)
  return run
}

/** The run, deflated if it is worth that; the same bytes each time. */
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
    // What was sent as it is does not enter the client's window.
    dictionary = Buffer.concat([dictionary, payload]).subarray(-DICTIONARY_BYTES)
  }
  return Buffer.concat(frames)
}
