import { expect, test } from 'vitest'
import { initials } from './avatar.tsx'

test.each([
  ['Ada Lovelace', 'AL'],
  ['Anna Maria von Berg', 'AB'],
  ['ann', 'A'],
  ['user-7777', 'U7'],
  ['jörg.müller@example.com', 'JC'],
  ['(Élodie)', 'É'],
  ['Юлия Ким', 'ЮК'],
  ['🙂', '🙂'],
  ['<img src=x>', 'IS'],
])('the initials of %j are %j', (name, wanted) => {
  expect(initials(name)).toBe(wanted)
})
