import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { type AnswerReceiver, SharedAnswers } from './shared-answers.ts'
import { type LineEncoder, linesIn, newLineEncoder } from './testing/line-encoder.ts'
import { rethrow } from './testing/rethrow.ts'

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'performance'] }))
afterEach(() => void vi.useRealTimers())

/** An answer that says how often it was built; each build takes so long. */
function newAnswer(buildMs = 0) {
  let built = 0
  return {
    build() {
      vi.advanceTimersByTime(buildMs)
      return `build ${++built}`
    },
  }
}

/** A connection, and what it received. */
function newReceiver(encoder: LineEncoder = newLineEncoder()) {
  const received: Buffer[] = []
  const receiver: AnswerReceiver = {
    encoder,
    writeShared: bytes => void received.push(bytes),
    fail: rethrow,
  }
  return { receiver, received, texts: () => received.flatMap(linesIn) }
}

test('[F5] the first request is answered at once, and later ones of the same window together', () => {
  const answers = new SharedAnswers()
  const answer = newAnswer()
  const [first, second, third] = [newReceiver(), newReceiver(), newReceiver()]
  answers.send(first.receiver, answer)
  expect(first.texts()).toEqual(['build 1'])
  answers.send(second.receiver, answer)
  vi.advanceTimersByTime(9)
  answers.send(third.receiver, answer)
  expect([second.texts(), third.texts()]).toEqual([[], []])
  vi.advanceTimersByTime(1)
  expect([first.texts(), second.texts(), third.texts()]).toEqual([['build 1'], ['build 2'], ['build 2']])
  vi.advanceTimersByTime(10)
  answers.send(first.receiver, answer)
  expect(first.texts()).toEqual(['build 1', 'build 3'])
})

test('[F5 F7] all who wait get the same bytes, encoded once for each transport', () => {
  const answers = new SharedAnswers()
  const answer = newAnswer()
  answers.send(newReceiver().receiver, answer)
  const [lines, other] = [newLineEncoder(), newLineEncoder()]
  const receivers = [newReceiver(lines), newReceiver(other), newReceiver(lines)]
  for (const { receiver } of receivers) answers.send(receiver, answer)
  vi.advanceTimersByTime(10)
  const [one, two, three] = receivers.map(({ received }) => received[0])
  expect(three).toBe(one)
  expect(two).not.toBe(one)
  expect([lines.calls, lines.shared]).toEqual([[['build 2']], [one]])
  expect([other.calls, other.shared]).toEqual([[['build 2']], [two]])
})

test('[F5] an answer that takes long is built for at most a tenth of the time', () => {
  const answers = new SharedAnswers()
  const answer = newAnswer(30)
  const { receiver, texts } = newReceiver()
  answers.send(receiver, answer)
  answers.send(receiver, answer)
  // The first build began 30 ms ago.
  vi.advanceTimersByTime(269)
  expect(texts()).toEqual(['build 1'])
  vi.advanceTimersByTime(1)
  expect(texts()).toEqual(['build 1', 'build 2'])
})

test('[F5] different answers do not wait for each other', () => {
  const answers = new SharedAnswers()
  const { receiver, texts } = newReceiver()
  answers.send(receiver, newAnswer())
  answers.send(receiver, newAnswer())
  expect(texts()).toEqual(['build 1', 'build 1'])
})

test('[F5] a connection that asks again while it is answered gets the next build', () => {
  const answers = new SharedAnswers()
  const answer = newAnswer()
  const { receiver, texts } = newReceiver()
  const again: AnswerReceiver = {
    encoder: receiver.encoder,
    fail: rethrow,
    writeShared(bytes) {
      receiver.writeShared(bytes)
      if (texts().length === 1) answers.send(again, answer)
    },
  }
  answers.send(again, answer)
  expect(texts()).toEqual(['build 1'])
  vi.advanceTimersByTime(10)
  expect(texts()).toEqual(['build 1', 'build 2'])
})

test('[C2] a build that fails, now or later, concerns only the connections that asked', () => {
  const answers = new SharedAnswers()
  let isBroken = false
  const answer = {
    build() {
      if (isBroken) throw new Error('planted')
      return 'built'
    },
  }
  const failed: string[] = []
  const newFailing = (name: string) => {
    const { receiver, texts } = newReceiver()
    return { receiver: { ...receiver, fail: () => void failed.push(name) }, texts }
  }
  const [first, second, third, last] = ['first', 'second', 'third', 'last'].map(newFailing)
  if (!first || !second || !third || !last) return expect.unreachable()
  answers.send(first.receiver, answer)
  isBroken = true
  answers.send(second.receiver, answer)
  answers.send(third.receiver, answer)
  vi.advanceTimersByTime(10)
  expect(failed).toEqual(['second', 'third'])
  isBroken = false
  answers.send(last.receiver, answer)
  vi.runAllTimers()
  const received = [first, second, third, last].map(({ texts }) => texts())
  expect(received).toEqual([['built'], [], [], ['built']])
})

test('[C2] a connection that can not take an answer does not keep it from the others', () => {
  const answers = new SharedAnswers()
  const answer = newAnswer()
  answers.send(newReceiver().receiver, answer)
  const failed = vi.fn()
  const other = newReceiver()
  answers.send({ ...newReceiver().receiver, writeShared: () => rethrow('planted'), fail: failed }, answer)
  answers.send(other.receiver, answer)
  vi.advanceTimersByTime(10)
  expect([failed.mock.calls, other.texts()]).toEqual([[['planted']], ['build 2']])
})
