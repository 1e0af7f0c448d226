import { expect, test } from 'vitest'
import type { Answer, Api, Explanation } from './api.ts'
import { operatorOf } from './model.ts'

const NOW = Date.parse('2026-01-01T12:00:00Z')
const EXPLAINED: Explanation = {
  shown: { status: 'online' },
  reason: 'active',
  hidden: false,
  sessions: [],
  graces: [],
  choice: { status: 'online' },
}
const done = <Value>(value: Value, isConfirmed = true): Answer<Value> => ({ value, isConfirmed })
const REFUSED = { refused: { needs: 'key', text: 'The key is wrong.' } } as const

/** An operator whose API answers as the test says. */
function newOperator({ isDevelopment = true, right = 'k' } = {}) {
  const calls: string[] = []
  let key: string | undefined
  /** Lets requests wait until the test goes on. */
  let gate: Promise<void> | undefined
  const answer = async <Value>(call: string, value: Answer<Value>): Promise<Answer<Value>> => {
    calls.push(call)
    await gate
    return isDevelopment || key === right ? value : REFUSED
  }
  let isConfirmed = true
  const api: Api = {
    get hasKey() {
      return key !== undefined
    },
    setKey: wanted => {
      key = wanted
    },
    explain: userId => answer(`explain ${userId}`, done(EXPLAINED)),
    setStatus: (userId, wanted) =>
      answer(`set ${userId} ${JSON.stringify(wanted)}`, done({ status: wanted.status }, isConfirmed)),
    endSession: (userId, sessionId) => answer(`end ${userId} ${sessionId}`, done(undefined)),
    endSessions: userId => answer(`end ${userId}`, done(undefined)),
  }
  const operator = operatorOf({ api, isDevelopment, now: () => NOW })
  operator.show('ann')
  return {
    operator,
    calls,
    key: () => key,
    isPlacedLater: () => {
      isConfirmed = false
    },
    hold: () => {
      let go = (): void => {}
      gate = new Promise(resolve => {
        go = resolve
      })
      return () => {
        gate = undefined
        go()
      }
    },
  }
}

test('nothing is asked before somebody wants it, and then only once', async () => {
  const { operator, calls } = newOperator()
  expect(calls).toEqual([])
  await Promise.all([operator.explain(), operator.explain()])
  expect(calls).toEqual(['explain ann'])
  expect(operator.view.value).toMatchObject({ explanation: EXPLAINED, explainedAt: NOW, isBusy: false })
})

test('[T12] a change says what was done, and is shown in a new explanation', async () => {
  const { operator, calls, isPlacedLater } = newOperator()
  await operator.endSession('tab')
  expect(operator.view.value.message).toEqual({ isProblem: false, text: 'The session has ended.' })
  isPlacedLater()
  await operator.setStatus('busy', ' in a call ', 60_000)
  expect(operator.view.value.message?.text).toBe(
    'The status is set. Others see: busy. Another node has not confirmed it yet.',
  )
  await operator.setStatus('online', '', undefined)
  expect(calls.filter(call => !call.startsWith('explain'))).toEqual([
    'end ann tab',
    'set ann {"status":"busy","text":"in a call","expiresAt":"2026-01-01T12:01:00.000Z"}',
    'set ann {"status":"online"}',
  ])
  expect(calls.filter(call => call.startsWith('explain'))).toHaveLength(3)
})

test('[T12] a wrong key is dropped, and a right one is used until it is forgotten', async () => {
  const { operator, key } = newOperator({ isDevelopment: false })
  expect(operator.view.value.needsKey).toBe(true)
  await operator.useKey('wrong')
  expect(operator.view.value).toMatchObject({ needsKey: true, hasKey: false, message: { isProblem: true } })
  expect(key()).toBeUndefined()
  await operator.useKey(' k ')
  expect(operator.view.value).toMatchObject({ needsKey: false, hasKey: true, explanation: EXPLAINED })
  operator.forgetKey()
  expect(operator.view.value).toMatchObject({ needsKey: true, hasKey: false, explanation: undefined })
  expect(key()).toBeUndefined()
})

test('[T12] a change waits for a confirmation, and without a key for a key first', async () => {
  const { operator, calls } = newOperator({ isDevelopment: false })
  operator.begin('ann', { what: 'all' })
  expect(operator.view.value).toMatchObject({ waiting: { what: 'all' }, unconfirmed: undefined })
  await operator.useKey('wrong')
  expect(operator.view.value).toMatchObject({ waiting: { what: 'all' }, unconfirmed: undefined })
  await operator.useKey('k')
  expect(operator.view.value).toMatchObject({ waiting: undefined, unconfirmed: { what: 'all' } })
  operator.cancel()
  expect(operator.view.value.unconfirmed).toBeUndefined()
  operator.begin('ann', { what: 'session', sessionId: 'tab' })
  expect(operator.view.value.unconfirmed).toEqual({ what: 'session', sessionId: 'tab' })
  expect(calls).toEqual(['explain ann', 'explain ann'])
})

test('[T12] to explain waits for a key too, and needs no confirmation', async () => {
  const { operator, calls } = newOperator({ isDevelopment: false })
  operator.begin('ann', 'explain')
  expect([operator.view.value.waiting, calls]).toEqual(['explain', []])
  await operator.useKey('k')
  expect(operator.view.value).toMatchObject({ waiting: undefined, unconfirmed: undefined })
  expect([operator.view.value.explanation, calls]).toEqual([EXPLAINED, ['explain ann']])
})

test('what waits for a key or a confirmation is not carried over to another user', async () => {
  const { operator } = newOperator({ isDevelopment: false })
  operator.begin('ann', { what: 'all' })
  operator.show('bob')
  await operator.useKey('k')
  expect(operator.view.value).toMatchObject({ userId: 'bob', waiting: undefined, unconfirmed: undefined })
  operator.begin('bob', { what: 'status' })
  operator.show('ann')
  expect(operator.view.value.unconfirmed).toBeUndefined()
})

test('another user is not shown what was asked about the last one', async () => {
  const { operator, calls, hold } = newOperator()
  const go = hold()
  const asked = operator.explain()
  operator.show('bob')
  go()
  await asked
  expect(operator.view.value).toMatchObject({ userId: 'bob', explanation: undefined, isBusy: false })
  await operator.explain()
  expect(calls).toEqual(['explain ann', 'explain bob'])
  operator.show('ann')
  expect(operator.view.value.explanation).toBeUndefined()
})
