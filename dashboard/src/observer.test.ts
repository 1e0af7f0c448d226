import { expect, test } from 'vitest'
import * as server from '../../server/src/observer.ts'
import { OBSERVER_ID } from './observer.ts'

test('the page and the server use the same user id for observers', () => {
  expect(OBSERVER_ID).toBe(server.OBSERVER_ID)
})
