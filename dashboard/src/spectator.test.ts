import { expect, test } from 'vitest'
import * as server from '../../server/src/spectator.ts'
import { SPECTATOR } from './spectator.ts'

test('the page and the server mean the same user', () => {
  expect(SPECTATOR).toBe(server.SPECTATOR)
})
