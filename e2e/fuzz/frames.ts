import { seeded } from '@who-is-online/testing/random'
import { closeFrame, frame, OPCODE } from '@who-is-online/testing/raw-client'

// Valid sessions with damage: flipped bits; pieces removed, repeated, swapped or inserted.

export type Random = () => number

export const below = (random: Random, end: number) => Math.floor(random() * end)
export const oneOf = <Item>(random: Random, items: readonly Item[]) =>
  items[below(random, items.length)] as Item

// A valid session

export const TEXTS = [
  '{"type":"get_online_count"}',
  '{"type":"check_user_status","targetUserId":"ordinary 1"}',
  '{"type":"check_user_status","targetUserId":123}',
  '{"type":"get_all_users"}',
  '{"type":"set_status","status":"online"}',
  '{"type":"set_status","status":"offline"}',
  '{"type":"identify","username":"👩‍💻 é \\u2028"}',
  '{"type":"dance","x":{"y":[1,{"z":null}]}}',
  // Defined only in v2; v1 refuses it.
  '{"type":"set_status","status":"busy","text":"in a call","expiresAt":"2999-01-01T00:00:00Z","id":1}',
  '{"type":"set_activity","state":"idle"}',
  '{"type":"subscribe","userIds":["ordinary 1","ordinary 2",3],"id":"a"}',
  '{"type":"subscribe","all":true,"since":{"epoch":"x","seq":1}}',
  '{"type":"subscribe","count":true}',
  '{"type":"unsubscribe","userIds":["ordinary 1"]}',
  '{"type":"unsubscribe","all":true}',
  '{"type":"get_users","userIds":["ordinary 1","nobody"]}',
  '{"type":"list_users","status":"online","limit":3}',
  '{"type":"client_state","state":"inactive"}',
  '{"type":"client_state","state":"active"}',
  '{"type":"ping","id":7}',
]

/** Lengths around the changes of the length form, and around the limit of 64 KiB. */
const LENGTHS: readonly ((random: Random) => number)[] = [
  random => 120 + below(random, 12),
  random => below(random, 4_000),
  random => 65_530 + below(random, 12),
]

const KINDS: readonly ((random: Random, mask: Buffer) => Buffer[])[] = [
  (random, mask) => [frame({ opcode: OPCODE.text, payload: maybeDamaged(random), mask })],
  (random, mask) => [frame({ opcode: OPCODE.text, payload: maybeDamaged(random), mask })],
  (random, mask) => inFragments(random, maybeDamaged(random), mask),
  (random, mask) => [
    frame({
      opcode: OPCODE.text,
      payload: oneOf(random, TEXTS).padEnd(oneOf(random, LENGTHS)(random)),
      mask,
    }),
  ],
  (random, mask) => [frame({ opcode: OPCODE.ping, payload: Buffer.alloc(below(random, 126), 7), mask })],
  (random, mask) => [frame({ opcode: OPCODE.pong, payload: Buffer.alloc(below(random, 126), 7), mask })],
  random => [closeFrame(oneOf(random, [1000, 1001, 3000, 4999]), 'bye')],
]

/** A text message. In one of three, bytes are changed before framing, so that the frame is valid. */
function maybeDamaged(random: Random): Buffer {
  const text = Buffer.from(oneOf(random, TEXTS))
  if (random() < 2 / 3) return text
  for (let left = 1 + below(random, 4); left > 0; left--)
    text[below(random, text.length)] = below(random, 256)
  return text
}

function inFragments(random: Random, payload: Buffer, mask: Buffer): Buffer[] {
  const cuts = [0, ...Array.from({ length: 1 + below(random, 5) }, () => below(random, payload.length))]
  cuts.sort((a, b) => a - b)
  return cuts.map((cut, index) =>
    frame({
      opcode: index === 0 ? OPCODE.text : OPCODE.continuation,
      payload: payload.subarray(cut, cuts[index + 1]),
      fin: index === cuts.length - 1,
      mask,
    }),
  )
}

function session(random: Random): Buffer[] {
  const mask = Buffer.from(Array.from({ length: 4 }, () => below(random, 256)))
  return Array.from({ length: 1 + below(random, 6) }, () => oneOf(random, KINDS)(random, mask)).flat()
}

// Damage

/** Ways to damage the sequence of frames, or their bytes. */
const FRAME_DAMAGE: readonly ((frames: Buffer[], random: Random) => Buffer[])[] = [
  (frames, random) => {
    const [a, b] = [below(random, frames.length), below(random, frames.length)]
    return frames.map((frame, index) => frames[index === a ? b : index === b ? a : index] ?? frame)
  },
  (frames, random) => frames.toSpliced(below(random, frames.length), 1),
  (frames, random) => frames.toSpliced(below(random, frames.length), 0, oneOf(random, frames)),
  (frames, random) => frames.toSpliced(below(random, frames.length), 1, ...session(random)),
  // Changes a header: opcode and flags, or mask bit and length.
  (frames, random) =>
    frames.with(below(random, frames.length), withByte(oneOf(random, frames), below(random, 2), random)),
]

const BYTE_DAMAGE: readonly ((bytes: Buffer, random: Random) => Buffer)[] = [
  (bytes, random) => {
    const flipped = Buffer.from(bytes)
    for (let left = 1 + below(random, 8); left > 0; left--) {
      const at = below(random, bytes.length)
      flipped[at] = (flipped[at] ?? 0) ^ (1 << below(random, 8))
    }
    return flipped
  },
  (bytes, random) => bytes.subarray(0, below(random, bytes.length)),
  (bytes, random) => bytes.subarray(below(random, bytes.length)),
  (bytes, random) => {
    const [from, to] = [below(random, bytes.length), below(random, bytes.length)]
    return Buffer.concat([bytes.subarray(0, from), bytes.subarray(to)])
  },
  (bytes, random) => {
    const at = below(random, bytes.length)
    const other = Buffer.concat(session(random))
    return Buffer.concat([
      bytes.subarray(0, at),
      other.subarray(below(random, other.length)),
      bytes.subarray(at),
    ])
  },
  (bytes, random) => withByte(bytes, below(random, bytes.length), random),
  (bytes, random) => {
    const at = below(random, bytes.length)
    return Buffer.concat([
      bytes.subarray(0, at),
      Buffer.alloc(below(random, 64), oneOf(random, [0, 0x80, 0xff])),
    ])
  },
]

function withByte(bytes: Buffer, at: number, random: Random): Buffer {
  const changed = Buffer.from(bytes)
  changed[at] = oneOf(random, [0x00, 0x7f, 0x80, 0xff, 0xfe, 0x8b, below(random, 256)])
  return changed
}

/** The damaged session of one client. */
export interface Sequence {
  readonly userId: string
  /** The bytes to send, in pieces. */
  readonly pieces: readonly Buffer[]
  /** How many frames it has, damaged or not. */
  readonly frames: number
  /** How the sender ends: it ends its side and reads on, resets TCP, or waits for the server. */
  readonly ending: 'finishes' | 'breaks off' | 'waits'
}

/** A damaged session. It depends only on its number and the seed. */
export function sequence(number: number, seed: number): Sequence {
  const random = seeded(seed * 1_000_003 + number)
  let frames = session(random)
  for (let left = below(random, 3); left > 0 && frames.length > 0; left--) {
    frames = oneOf(random, FRAME_DAMAGE)(frames, random)
  }
  let bytes = Buffer.concat(frames)
  for (let left = 1 + below(random, 2); left > 0 && bytes.length > 0; left--) {
    bytes = Buffer.from(oneOf(random, BYTE_DAMAGE)(bytes, random))
  }
  const cut = random() < 0.3 ? below(random, bytes.length + 1) : bytes.length
  return {
    userId: `m${below(random, 300)}`,
    frames: frames.length,
    pieces: [bytes.subarray(0, cut), bytes.subarray(cut)].filter(({ length }) => length > 0),
    ending: random() < 0.6 ? 'finishes' : random() < 0.5 ? 'breaks off' : 'waits',
  }
}
