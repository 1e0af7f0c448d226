import { expect, onTestFinished, test, vi } from 'vitest'
import { Presence } from '../../presence/presence.ts'
import { AT_ONCE } from '../../presence/testing/options.ts'
import type { Tracker } from '../../tracker.ts'
import { createCalls } from './calls.ts'

// A status for a user without a session on this node. Another node may have one.

type Answer = ReturnType<Tracker['setStatusFor']>

function setStatus(answers: Answer[], isCaughtUp: ReturnType<Tracker['catchUp']>): unknown {
  const tracker = { setStatusFor: () => answers.shift(), catchUp: () => isCaughtUp }
  const presence = new Presence(AT_ONCE)
  const calls = createCalls({ tracker, presence, log: { info() {} } } as never)
  const call = calls.setStatus({ userId: 'ann', status: 'busy' }, { caller: { name: 'key' } } as never)
  return Promise.resolve(call).then(
    ({ status }) => status,
    ({ code, retryAfterS }) => [code, retryAfterS],
  )
}

test('[E6] a user without a session is judged again when this node has read on', async () => {
  const read = Promise.resolve(true)
  expect(await setStatus(['no_session', { isSet: undefined }], read)).toBe(200)
  expect(await setStatus(['no_session', 'no_session'], read)).toEqual(['no_session', undefined])
  expect(await setStatus(['no_session', 'stopping'], read)).toEqual(['unavailable', 1])
  // With one node there is nothing to read.
  expect(await setStatus(['no_session', 'no_session'], undefined)).toEqual(['no_session', undefined])
})

test('[E6] a node that can not read on does not say that the user has no session', async () => {
  vi.useFakeTimers()
  onTestFinished(() => void vi.useRealTimers())
  expect(await setStatus(['no_session'], Promise.resolve(false))).toEqual(['unavailable', 1])
  const hung = setStatus(['no_session'], new Promise(() => {}))
  await vi.advanceTimersByTimeAsync(2_000)
  expect(await hung).toEqual(['unavailable', 1])
})
