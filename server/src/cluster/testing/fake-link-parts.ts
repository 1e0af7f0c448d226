import { expect } from 'vitest'
import type { Command } from '../command.ts'
import type { RedisConnection, RedisInfo } from '../redis.ts'
import type { Driven } from '../redis-link.ts'

/** What a Redis tells that can be used. */
export const info: RedisInfo = {
  server: 'one',
  end: undefined,
  version: '7.0.0',
  maxmemoryPolicy: 'noeviction',
  isReplica: false,
}
/** A promise and what settles it. */
export function later<Value>() {
  let resolve: (value: Value) => void = () => {}
  let reject: (error: Error) => void = () => {}
  const promise = new Promise<Value>((...both) => ([resolve, reject] = both))
  return { promise, resolve, reject }
}

/** An error with which Redis refuses a command. */
export function refusal(message: string): Error {
  return Object.assign(new Error(message), { name: 'ReplyError' })
}

/** A connection that answers nothing but `info`, until a test says so. */
export class FakeConnection implements RedisConnection {
  readonly #closed = later<void>()
  readonly closed = this.#closed.promise
  readonly calls: { readonly name: string; readonly answer: ReturnType<typeof later<unknown>> }[] = []
  ignored = 0
  closes = 0
  info = async (): Promise<RedisInfo> => info
  probe = async (): Promise<void> => {}
  append = () => this.#call('append') as ReturnType<RedisConnection['append']>
  read = () => this.#call('read') as ReturnType<RedisConnection['read']>
  load = () => this.#call('load') as ReturnType<RedisConnection['load']>
  time = () => this.#call('time') as ReturnType<RedisConnection['time']>
  audit = (node: string) => this.#call(`audit ${node}`) as ReturnType<RedisConnection['audit']>

  run = (_: string, key: string) => this.#call(`run ${key}`)

  async close(): Promise<void> {
    this.closes++
    this.break()
  }

  break(): void {
    this.#closed.resolve()
  }

  answerOf(name: string) {
    const call = this.calls.find(other => other.name === name)
    if (!call) throw new Error(`${name} was not called`)
    return call.answer
  }

  #call(name: string): Promise<unknown> {
    const answer = later<unknown>()
    this.calls.push({ name, answer })
    return answer.promise
  }
}

/** A member that writes down its inputs, and asks what the test has prepared for the input of that name. */
export class FakeMember implements Driven {
  readonly inputs: string[] = []
  readonly asks = new Map<string, Command[]>([['start', [{ do: 'connect', id: 1 }]]])
  during: (name: string) => void = () => {}
  nextTick = Number.POSITIVE_INFINITY
  #isInside = false

  start = () => this.#input('start')
  tick = (now: number) => this.#input('tick', `${now}`)
  changed = () => this.#input('changed')
  stop = () => this.#input('stop')
  connected = (id: number, { server }: { server: string }) => this.#input('connected', `${id} ${server}`)
  disconnected = () => this.#input('disconnected')
  failed = (id: number) => this.#input('failed', `${id}`)
  toldTime = (id: number, time: number) => this.#input('toldTime', `${id} ${time}`)
  answered = (id: number, { reply }: { reply: string }) => this.#input('answered', `${id} ${reply}`)
  entriesRead = (id: number, entries: readonly unknown[]) =>
    this.#input('entriesRead', `${id} ${entries.length}`)
  loaded = (id: number) => this.#input('loaded', `${id}`)
  audited = (id: number) => this.#input('audited', `${id}`)

  #input(name: string, details = ''): Command[] {
    expect(this.#isInside, 'the input comes while another one is taken').toBe(false)
    this.#isInside = true
    this.inputs.push(`${name} ${details}`.trim())
    this.during(name)
    this.#isInside = false
    const commands = this.asks.get(name) ?? []
    this.asks.delete(name)
    return commands
  }
}
