import type { Writable } from 'node:stream'
import { expect, test } from 'vitest'
import * as ws from 'ws'
import { UNPACED } from '../presence/pace.ts'
import { Refusals } from '../refusals.ts'
import { Debts } from './debts.ts'
import { Inbox } from './inbox.ts'
import { MessageTurns } from './message-turns.ts'

// `ws` has this class, but its published types do not.
const { Receiver } = ws as unknown as { Receiver: new (options: object) => Writable }

/** Lets `ws` parse ten frames of one read. Returns how many messages it had when `act` was called at the first. */
async function parse(act: (inbox: Inbox) => void): Promise<number> {
  const receiver = new Receiver({ isServer: true })
  const webSocket = { _receiver: receiver, pause() {}, resume() {} }
  const clock = { awake: () => 0, steady: () => 0 }
  const ports = {
    clock,
    limits: { messages: UNPACED },
    tooFast: new Set<Inbox>(),
    messageTurns: new MessageTurns(clock),
    debts: new Debts(),
    refusals: new Refusals(),
  }
  const inbox = new Inbox(ports, webSocket as never, {} as never, undefined)
  let messages = 0
  receiver.on('message', () => {
    messages++
    if (messages === 1) act(inbox)
  })
  const frame = Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0x7b, 0x7d])
  await new Promise<void>(resolve =>
    receiver.write(Buffer.concat(Array<Buffer>(10).fill(frame)), () => resolve()),
  )
  return messages
}

test('[L4] after a connection has ended, `ws` parses nothing more of what it has read', async () => {
  expect(await parse(inbox => inbox.stopForGood())).toBe(1)
})

test('[L4] negative control: without that, it parses everything', async () => {
  expect(await parse(() => {})).toBe(10)
})
