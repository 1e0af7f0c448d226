import { expect, test } from 'vitest'
import { createCalls } from './calls.ts'

test('[E7 E12 E20] while too much waits for Redis, no more is ended: 503, and nothing was done', async () => {
  const done: string[] = []
  const act = (name: string) => async () => void done.push(name)
  const tracker = {
    canEnd: true,
    endSession: act('end'),
    endSessions: act('end all'),
    erase: act('erase'),
  }
  type Sources = Parameters<typeof createCalls>[0]
  const sources: Partial<Record<keyof Sources, object>> = { tracker, log: { info() {} } }
  const calls = createCalls(sources as unknown as Sources)
  const context = { caller: { name: 'key', right: 'write' }, countMore() {} } as unknown as Parameters<
    typeof calls.eraseUser
  >[1]
  const all = () =>
    Promise.allSettled([
      calls.endSession({ userId: 'ann', sessionId: 'tab' }, context),
      calls.endSessions({ userId: 'ann' }, context),
      calls.eraseUser({ userId: 'ann' }, context),
    ])
  expect((await all()).map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'fulfilled'])
  expect(done.splice(0)).toEqual(['end', 'end all', 'erase'])
  tracker.canEnd = false
  const refused = { status: 'rejected', reason: { code: 'unavailable', retryAfterS: 5 } }
  expect(await all()).toMatchObject([refused, refused, refused])
  expect(done).toEqual([])
})
