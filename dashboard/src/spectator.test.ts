import { expect, test } from 'vitest'
import * as server from '../../server/src/spectator.ts'
import { HIDDEN_UNTIL, SPECTATOR } from './spectator.ts'

test('the page and the server mean the same user and the same choice', () => {
  expect([SPECTATOR, HIDDEN_UNTIL]).toEqual([server.SPECTATOR, server.HIDDEN_UNTIL])
})
