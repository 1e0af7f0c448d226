import { STATUSES } from '@who-is-online/protocol/words'
import { expect, test } from 'vitest'
import {
  type Choice,
  hasExpired,
  isPlain,
  isSameChoice,
  isSameShown,
  NO_CHOICE,
  OFFLINE,
  type ShownPresence,
  shownAs,
} from './choice.ts'

const T = Date.UTC(2030, 0, 1)
const LUNCH = { status: 'busy', text: 'at lunch', expiresAt: T } as const

/** Each differs from {@link LUNCH} in one field. */
const OTHERS: readonly Choice[] = [
  { ...LUNCH, status: 'away' },
  { ...LUNCH, text: 'at dinner' },
  { ...LUNCH, text: undefined },
  { ...LUNCH, expiresAt: T + 1 },
  { ...LUNCH, expiresAt: undefined },
]

test('[V9] a choice is plain only if it is online, without text and end', () => {
  expect(isPlain(NO_CHOICE)).toBe(true)
  const others: Choice[] = [
    { status: 'online', text: '' },
    { status: 'online', expiresAt: T },
  ]
  for (const status of ['away', 'busy', 'offline'] as const) others.push({ status })
  expect(others.map(isPlain)).toEqual(others.map(() => false))
})

test('[V9] two choices are the same if status, text and end are', () => {
  expect(isSameChoice(LUNCH, { ...LUNCH })).toBe(true)
  // An absent field is the same as an undefined one.
  expect(isSameChoice(NO_CHOICE, { status: 'online', text: undefined, expiresAt: undefined })).toBe(true)
  expect(OTHERS.map(other => isSameChoice(LUNCH, other))).toEqual(OTHERS.map(() => false))
})

test('[V9] a choice has expired from its end on, and never without one', () => {
  expect([T - 1, T, T + 1].map(now => hasExpired(LUNCH, now))).toEqual([false, true, true])
  expect(hasExpired(NO_CHOICE, Number.MAX_SAFE_INTEGER)).toBe(false)
  expect(hasExpired({ status: 'busy', expiresAt: 0 }, 0)).toBe(true)
})

test('[V9 V13] others see text and end, whatever they see as the status, except of an offline user', () => {
  const { text, expiresAt } = LUNCH
  for (const status of ['online', 'away', 'busy'] as const) {
    expect(shownAs(status, LUNCH)).toEqual({ status, text, expiresAt })
    expect(shownAs(status, { status, text })).toEqual({ status, text, expiresAt: undefined })
    expect(shownAs(status, { status, expiresAt })).toEqual({ status, text: undefined, expiresAt })
    expect(shownAs(status, { status, text: '' }).text).toBe('')
  }
  expect(shownAs('offline', LUNCH)).toBe(OFFLINE)
  expect(OFFLINE).toEqual({ status: 'offline', text: undefined, expiresAt: undefined })
})

test('users without text and end share one object for each status', () => {
  const shown = STATUSES.map(status => shownAs(status, { status: 'online' }))
  expect(shown.map(({ status }) => status)).toEqual([...STATUSES])
  expect(STATUSES.map(status => shownAs(status, { status: 'busy' }))).toEqual(shown)
  for (const [index, status] of STATUSES.entries()) expect(shownAs(status, NO_CHOICE)).toBe(shown[index])
})

test('[V9] others see the same if status, text and end are the same', () => {
  const shown = (choice: Choice): ShownPresence => shownAs(choice.status, choice)
  expect(isSameShown(shown(LUNCH), shown({ ...LUNCH }))).toBe(true)
  expect(isSameShown(OFFLINE, OFFLINE)).toBe(true)
  expect(OTHERS.map(other => isSameShown(shown(LUNCH), shown(other)))).toEqual(OTHERS.map(() => false))
})
