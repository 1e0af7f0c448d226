import { expect, test } from 'vitest'
import { fakeClient } from '../client.fake.ts'
import { live } from './live.ts'
import { selection } from './selection.ts'

function selected(userId?: string) {
  const fake = fakeClient()
  const frames: (() => void)[] = []
  const model = live(fake.client, {
    schedule: task => frames.push(task),
    now: () => 0,
    askHistory: () => Promise.reject(new Error('none')),
    whyNoWebSocket: async () => undefined,
  })
  fake.setConnection('open', 'live')
  const send: typeof fake.sendUsers = (...users) => {
    fake.sendUsers(...users)
    for (const task of frames.splice(0)) task()
  }
  send(['ann', 'online'], ['bob', 'online'], ['cid', 'online'])
  return { ...selection(model, userId), send, model }
}

test('moves between rows, and stays within the list', () => {
  const it = selected()
  expect([1, 1, 1, 1].map(it.moveBy)).toEqual([0, 1, 2, 2])
  expect([it.moveBy(-1), it.moveBy(Number.NEGATIVE_INFINITY), it.moveBy(Number.POSITIVE_INFINITY)]).toEqual([
    1, 0, 2,
  ])
})

test('stays at its user when rows move, and begins again when the list does not show the user', () => {
  const it = selected()
  it.moveBy(1)
  it.moveBy(1)
  expect(it.cursor.value).toBe('bob')
  it.send(['ann', 'offline'])
  expect([it.moveBy(1), it.cursor.value]).toEqual([1, 'cid'])
  it.model.show({ text: 'a', status: undefined }, { by: 'name', isReversed: false })
  expect([it.moveBy(1), it.cursor.value]).toEqual([0, 'ann'])
})

test('an open panel shows the user at whose row the keyboard is; a closed one stays closed', () => {
  const it = selected()
  it.open()
  expect(it.opened.value).toBeUndefined()
  it.moveBy(1)
  expect(it.opened.value).toBeUndefined()
  it.open()
  it.moveBy(1)
  expect(it.opened.value).toBe('bob')
  it.close()
  expect([it.opened.value, it.cursor.value]).toEqual([undefined, 'bob'])
  expect(selected('cid').opened.value).toBe('cid')
})

test('an empty list has no row to move to', () => {
  const it = selected()
  it.model.show({ text: 'zoe', status: undefined }, { by: 'name', isReversed: false })
  expect([it.moveBy(1), it.cursor.value]).toEqual([-1, undefined])
})
