import { constants, deflateRawSync } from 'node:zlib'
import { deflatedFrame, framesIn } from './frames.ts'

// Compression by message (RFC 7692), the other way round: what many are told is deflated once, and the same bytes go to
// all. That needs an encoder without a memory of what this or that client was sent before. Within a run of frames it may
// have one, for all get the run whole: each message is deflated with those before it in the run as its dictionary. A
// client keeps its window from message to message, and finds there what the run has put in.

/** Fewer bytes than these in one write are not worth it. */
const MIN_BYTES = 256

/** Enough for messages that are alike, little enough to be read anew for each of them. */
const DICTIONARY_BYTES = 4_096

/** Little effort: messages that are alike become as small, and larger ones nearly so, in half the time. */
const LEVEL = 3

/** What a message ends with when it is flushed, and is sent without (RFC 7692, section 7.2.1). */
const TAIL_BYTES = 4

/** Runs that may be deflated, with what they became once somebody asked. */
const known = new WeakMap<Buffer, Buffer | undefined>()

/** Says of whole frames that they are worth deflating: because they are many bytes, or go to many. Returns them. */
export function deflatable(run: Buffer): Buffer {
  if (run.length >= MIN_BYTES) known.set(run, undefined)
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
  const frames: Buffer[] = []
  let dictionary: Buffer = Buffer.alloc(0)
  for (const { frame, payload } of framesIn(run)) {
    const small = deflateRawSync(payload, {
      level: LEVEL,
      finishFlush: constants.Z_SYNC_FLUSH,
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
