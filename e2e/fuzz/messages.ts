import { seeded } from '@who-is-online/testing/random'
import { frame, OPCODE } from '@who-is-online/testing/raw-client'
import { below, oneOf, type Random, type Sequence, TEXTS } from './frames.ts'

// Valid messages with damage of three kinds: in their values, in their fields, and in their text.

/** Values that a program may expect last. */
const VALUES: readonly unknown[] = [
  null,
  true,
  false,
  0,
  -1,
  1.5,
  1e308,
  Number.MAX_SAFE_INTEGER + 1,
  '',
  ' ',
  '__proto__',
  'constructor',
  'toString',
  '\u0000',
  '\ud83d',
  '\u202e',
  'x'.repeat(129),
  'x'.repeat(4_000),
  '2999-01-01T00:00:00Z',
  '0000-00-00T00:00:00Z',
  'get_all_users',
  'ordinary 1',
  [],
  [[]],
  [null],
  Array.from({ length: 1_001 }, (_, n) => `id-${n}`),
  {},
  { a: { b: { c: { d: {} } } } },
  { toString: null, valueOf: 1 },
]

/** Names of fields. JSON.parse makes an own property of `__proto__`. */
const NAMES: readonly string[] = [
  'type',
  'id',
  'userIds',
  'targetUserId',
  'username',
  'status',
  'text',
  'expiresAt',
  'state',
  'since',
  'all',
  'count',
  'limit',
  'cursor',
  '__proto__',
  'constructor',
  'hasOwnProperty',
  '',
]

const FIELD_DAMAGE: readonly ((message: Record<string, unknown>, random: Random) => void)[] = [
  (message, random) => set(message, oneOf(random, NAMES), oneOf(random, VALUES)),
  (message, random) =>
    set(message, oneOf(random, Object.keys(message).concat('type')), oneOf(random, VALUES)),
  (message, random) => void delete message[oneOf(random, Object.keys(message).concat('type'))],
  (message, random) => Object.assign(message, JSON.parse(oneOf(random, TEXTS))),
  (message, random) => set(message, oneOf(random, NAMES), structuredClone(message)),
]

function set(message: Record<string, unknown>, name: string, value: unknown): void {
  Object.defineProperty(message, name, { value, enumerable: true, configurable: true, writable: true })
}

const TEXT_DAMAGE: readonly ((text: string, random: Random) => string)[] = [
  (text, random) => text.slice(0, below(random, text.length + 1)),
  (text, random) => text.slice(below(random, text.length + 1)),
  (text, random) =>
    splice(
      text,
      below(random, text.length + 1),
      0,
      oneOf(random, ['"', '{', '}', '[', ',', '\\', '\u0000', '1e', '-', 'null', '\ufeff']),
    ),
  (text, random) => splice(text, below(random, text.length + 1), 1 + below(random, 5), ''),
  (text, random) =>
    splice(text, below(random, text.length + 1), 1, String.fromCharCode(below(random, 0xd800))),
  (text, random) => text + oneOf(random, TEXTS),
  (text, random) => `${'['.repeat(1 + below(random, 3_000))}${text}`,
  (_, random) => JSON.stringify(oneOf(random, VALUES)),
]

function splice(text: string, at: number, remove: number, insert: string): string {
  return text.slice(0, at) + insert + text.slice(at + remove)
}

/** A damaged message. It depends only on its number and the seed. */
export function message(number: number, seed: number): string {
  const random = seeded(seed * 1_000_003 + number)
  const fields = JSON.parse(oneOf(random, TEXTS)) as Record<string, unknown>
  const isTextDamaged = random() < 0.4
  for (let left = isTextDamaged ? below(random, 2) : 1 + below(random, 3); left > 0; left--)
    oneOf(random, FIELD_DAMAGE)(fields, random)
  let text = JSON.stringify(fields)
  for (let left = isTextDamaged ? 1 + below(random, 2) : 0; left > 0; left--)
    text = oneOf(random, TEXT_DAMAGE)(text, random)
  return text
}

/** How many messages one connection sends. */
const AT_ONCE = 50

/** A valid session of damaged messages. It depends only on its number and the seed. */
export function messages(number: number, seed: number): Sequence {
  const texts = Array.from({ length: AT_ONCE }, (_, n) => message(number * AT_ONCE + n, seed))
  const pieces = texts.map(payload => frame({ opcode: OPCODE.text, payload }))
  return { userId: `m${number % 300}`, pieces: [Buffer.concat(pieces)], frames: AT_ONCE, ending: 'finishes' }
}
