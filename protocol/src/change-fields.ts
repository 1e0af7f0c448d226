import Type from 'typebox'
import { epoch, name, seq, status, statusText, time, user } from './fields.ts'

/** Why others see a user differently. */
const CAUSES = [
  'opened',
  'left',
  'lost',
  'kicked',
  'nodeLost',
  'chosen',
  'expired',
  'idle',
  'active',
  'renamed',
] as const

/** A change of the log, as backends are told it. */
const changeRecord = Type.Object(
  {
    epoch,
    seq,
    at: time,
    userId: name,
    status,
    previousStatus: status,
    previousSince: Type.Union([time, Type.Null()], {
      description: 'when the previous status began, or null if that is not known',
    }),
    lastSeen: time,
    cause: Type.Enum([...CAUSES], { description: `one of ${CAUSES.join(', ')}` }),
    username: Type.Optional(name),
    text: Type.Optional(statusText),
  },
  { description: 'a visible change of a user, unique by epoch, seq and userId' },
)

/** A page of the log of changes, or of the full state. */
export const changePage = Type.Object({
  epoch,
  prevSeq: Type.Union([seq, Type.Null()], {
    description: 'the number of the given place, or null if the full state follows',
  }),
  seq,
  recovered: Type.Boolean({ description: 'false if the full state follows, in pages of `users`' }),
  changes: Type.Array(changeRecord),
  users: Type.Optional(Type.Array(user)),
  last: Type.Optional(Type.Boolean({ description: 'whether the full state ends with this page' })),
  cursor: Type.Optional(Type.String({ maxLength: 200, description: 'where the full state goes on' })),
})

/** A place in the log. */
export const since = Type.String({
  maxLength: 64,
  pattern: '^[\\w-]{1,40}:\\d{1,15}$',
  description: 'EPOCH:SEQ, the epoch and the seq of the last page',
})
