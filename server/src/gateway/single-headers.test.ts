import { expect, test } from 'vitest'
import { repeatedHeader } from './single-headers.ts'

test.each(['Host', 'Authorization', 'Origin'])('[D4] a second %s is wrong, in any spelling', header => {
  const others = ['Accept', 'x', 'Cookie', 'y']
  for (const value of ['a', 'b']) {
    const twice = [header, 'a', ...others, header.toUpperCase(), value]
    expect(repeatedHeader(twice)).toBe(`the request has several ${header} headers: send one`)
  }
  // The negative controls.
  expect(repeatedHeader([header, 'a', ...others])).toBeUndefined()
  expect(repeatedHeader(['X', header, 'Y', header])).toBeUndefined()
})

test('headers that are lists may occur several times', () => {
  const lists = ['Cookie', 'X-Forwarded-For', 'Sec-WebSocket-Protocol', 'Upgrade']
  expect(repeatedHeader(lists.flatMap(name => [name, 'a', name, 'b']))).toBeUndefined()
})
