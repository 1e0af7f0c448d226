import { sleep } from '@who-is-online/testing/client'
import { seeded } from '@who-is-online/testing/random'
import { WebSocket } from 'ws'
import { type Found, missing } from './choices.ts'
import { Health } from './health.ts'
import { Host } from './host.ts'
import { Judge, NOTICED_SUSPENSION_MS, type Violation } from './judge.ts'
import { forgotten, knownUsers, stateOf } from './known.ts'
import type { Line, Version } from './line.ts'
import { type Hearing, observe } from './observer.ts'
import { ALL_BACK_MS, type Fault, type Lane, SAVED_AGAIN_MS, type Schedule, type Volume } from './schedule.ts'
import { Comer, Hidden, Steady, type Town } from './users.ts'

export interface RunOptions {
  readonly seed: number
  readonly ms: number
  readonly schedule: Schedule
  /** The program of the server. */
  readonly program: string
  readonly port: number
  /** The library for the fake clock. */
  readonly faketime: string
}

export interface Outcome {
  readonly violations: readonly Violation[]
  /** What the same judges say of what an observer saw that was falsified on purpose, by rule. */
  readonly control: ReadonlyMap<string, number>
  /** How often something was held against a rule. */
  readonly checks: ReadonlyMap<string, number>
  /** How long after a leaving it was seen, in ms, by how the client left. */
  readonly detections: Judge['detections']
  readonly answersMs: readonly number[]
  readonly mostBytes: number
  /** Starts of the server, and how often it had to be started because it had ended or hung. */
  readonly starts: number
  readonly rescues: number
}

/** The clients, 100 in all. */
const STEADY = 25
const OBSERVERS = 5
const HIDDEN = 5
const COMERS = 15

const KNOWN = 200

/** Saved again within this time after it is possible (SPEC [S7]), in ms of a process that runs. */
const SAVES_MS = 5_000
/** "Within seconds" for a log file, in ms. */
const LOGS_AGAIN_MS = 10_000
const STOPS_MS = 10_000
const HANGS_MS = 20_000

/** How far `lastSeen` may be from when a client left: a proof of life before it, or the answer that did not come. */
const SEEN_MS = 45_000

/** Runs a schedule against a server under 100 clients, and says what was violated. */
export function run(options: RunOptions): Promise<Outcome> {
  return new Run(options).go()
}

class Run implements Town, Hearing {
  readonly url: string
  readonly #options: RunOptions
  readonly #judge = new Judge()
  /** Is told the same facts, and falsified observations. */
  readonly #control = new Judge()
  readonly judges = [this.#judge, this.#control]
  readonly #health = new Health()
  readonly #schedule: Schedule
  readonly #known = knownUsers(KNOWN, Date.now())
  readonly #steady: Steady[] = []
  readonly #observers: Line[] = []
  readonly #hidden: Hidden[] = []
  readonly #comers: Comer[] = []
  #host!: Host
  #begun = 0
  #isOver = false
  #isEnded = false
  /** Actions on the process, one at a time. */
  #turn: Promise<unknown> = Promise.resolve()
  #starts = 0
  #rescues = 0
  #clockChanges = 0
  /** When the server was started, and when a fault of its data was undone, by `awake()`. */
  #startedAt = 0
  #dataFaultAt = Number.NEGATIVE_INFINITY
  #faultsOf: Record<Volume, number> = { data: 0, log: 0 }
  /** How late this process is, at most, in the last seconds, in ms. */
  #lateMs = 0
  #lastAnswerMs = 0

  constructor(options: RunOptions) {
    this.#options = options
    this.url = `ws://127.0.0.1:${options.port}/ws`
    this.#schedule = options.schedule
    this.#populate(options.seed)
  }

  // Town

  awake(): number {
    return this.#host.awake()
  }

  isRunning(): boolean {
    return this.#host.isRunning
  }

  isOver(): boolean {
    return this.#isOver
  }

  clock(): string {
    return `${this.#host.clockOffset === 0 ? 'right' : 'wrong'} ${this.#clockChanges}`
  }

  onCut(userId: string, code: number): void {
    this.#judge.violate('I2', this.awake(), `the server closed the connection of ${userId} with ${code}`)
  }

  // Hearing

  synced(observer: string, state: ReadonlyMap<string, string>): void {
    this.#judge.synced(observer, state, this.awake())
    this.#control.synced(observer, state, this.awake())
  }

  lost(observer: string): void {
    for (const judge of this.judges) judge.lost(observer)
  }

  shown(observer: string, userId: string, status: string): void {
    this.#judge.shown(observer, userId, status, this.awake())
    // The control never hears that somebody left.
    if (observer === FALSE && userId.startsWith('comer') && status === 'offline') return
    this.#control.shown(observer, userId, status, this.awake())
  }

  async go(): Promise<Outcome> {
    const { program, port, faketime, ms } = this.#options
    this.#host = await Host.create({
      program,
      port,
      faketime,
      onUnexpectedExit: reason => this.#rescue(`the server ended by itself: ${reason}`),
    })
    const destroy = () => this.#host.destroy()
    process.once('exit', destroy)
    try {
      this.#host.importState(stateOf(this.#known))
      await this.#start()
      const lives = Promise.all([...this.#steady, ...this.#hidden, ...this.#comers].map(user => user.live()))
      // Awaited at the end; what fails before is no unhandled rejection.
      lives.catch(() => {})
      for (const observer of this.#observers) observer.open()
      await this.#allOpen()
      this.#begun = performance.now()
      const watches = [this.#watchTime(), this.#watchAnswers(), this.#watchUsage(), this.#makeNoise()]
      await Promise.all(Object.keys(this.#schedule).map(lane => this.#follow(lane as Lane)))
      await sleep(Math.max(0, this.#begun + ms - performance.now()))
      this.#isOver = true
      await this.#finish()
      this.#isEnded = true
      this.#destroyClients()
      await Promise.all([...watches, lives])
    } finally {
      this.#isOver = true
      this.#isEnded = true
      this.#destroyClients()
      await this.#host.dispose()
      process.off('exit', destroy)
    }
    const control = new Map<string, number>()
    for (const { rule } of this.#control.violations) control.set(rule, (control.get(rule) ?? 0) + 1)
    return {
      violations: this.#judge.violations,
      control,
      checks: this.#judge.checks,
      detections: this.#judge.detections,
      answersMs: this.#health.answersMs,
      mostBytes: this.#health.mostBytes,
      starts: this.#starts,
      rescues: this.#rescues,
    }
  }

  #populate(seed: number): void {
    let index = 0
    const random = () => seeded(seed + CLIENTS + index++)
    for (const version of ['v1', 'v2'] as const) {
      const id = (kind: string, n: number) => `${kind}-${version}-${n}`
      for (let n = 0; n < STEADY; n++) this.#steady.push(new Steady(this, id('steady', n), version, random()))
      for (let n = 0; n < OBSERVERS; n++)
        this.#observers.push(this.#observer(id('observer', n), version, random()))
      for (let n = 0; n < HIDDEN; n++) {
        this.#hidden.push(new Hidden(this, id('hidden', n), version, { says: n % 2 === 0, random: random() }))
      }
      for (let n = 0; n < COMERS; n++) this.#comers.push(new Comer(this, id('comer', n), version, random()))
    }
  }

  #observer(userId: string, version: Version, random: () => number): Line {
    let isKnown = false
    return observe({ url: this.url, version, userId }, random, this, () => {
      if (isKnown) return
      isKnown = true
      for (const judge of this.judges) judge.present(userId, this.awake())
    })
  }

  async #allOpen(): Promise<void> {
    const lines = [
      ...this.#steady.map(({ line }) => line),
      ...this.#hidden.map(({ line }) => line),
      ...this.#observers,
    ]
    for (const until = performance.now() + 60_000; performance.now() < until; ) {
      if (lines.every(({ isOpen }) => isOpen)) return
      await sleep(100)
    }
    const closed = lines.filter(({ isOpen }) => !isOpen).map(({ userId }) => userId)
    this.#violate('I10', `not connected after a minute: ${closed.join(', ')}`)
  }

  // Faults

  async #follow(lane: Lane): Promise<void> {
    for (const { at, fault } of this.#schedule[lane]) {
      await sleep(Math.max(0, this.#begun + at - performance.now()))
      await this.#do(fault)
    }
  }

  async #do(fault: Fault): Promise<void> {
    const host = this.#host
    switch (fault.do) {
      case 'kill':
        return this.#exclusive(async () => {
          await this.#untilAwake(this.#dataFaultAt + SAVED_AGAIN_MS)
          const killedAt = performance.now()
          await host.kill()
          await this.#startAgain(killedAt, fault.outageMs)
        })
      case 'terminate':
        return this.#exclusive(async () => {
          await this.#untilAwake(this.#dataFaultAt + SAVED_AGAIN_MS)
          const killedAt = performance.now()
          await this.#stop()
          await this.#startAgain(killedAt, fault.outageMs)
        })
      case 'suspend':
        return this.#exclusive(async () => {
          await this.#untilAwake(this.#startedAt + ALL_BACK_MS)
          host.suspend()
          await sleep(fault.forMs)
          host.resume()
          if (fault.forMs <= NOTICED_SUSPENSION_MS) return
          for (const judge of this.judges) judge.resumed(this.awake())
        })
      case 'fill':
        await this.#fill(fault.volume, fault.forMs)
        return this.#expectBack(fault.volume)
      case 'remove':
        for (const volume of fault.directories) {
          host.remove(volume)
          this.#expectBack(volume)
        }
        return
      case 'close':
        for (const output of fault.outputs) host.closeConsole(output)
        return
      case 'stall':
        for (const output of fault.outputs) host.stallConsole(output)
        await sleep(fault.forMs)
        for (const output of fault.outputs) host.resumeConsole(output)
        return
      case 'clock':
        this.#setClock(fault.offset)
        await sleep(fault.forMs)
        return this.#setClock(0)
    }
  }

  /** Waits for a time of the running process: on a slow machine the schedule runs late, and gaps get shorter. */
  async #untilAwake(awakeMs: number): Promise<void> {
    while (this.isRunning() && this.awake() < awakeMs) await sleep(50)
  }

  #setClock(offset: Parameters<Host['setClock']>[0]): void {
    this.#clockChanges++
    this.#host.setClock(offset)
  }

  async #fill(volume: Volume, forMs: number): Promise<void> {
    this.#faultsOf[volume]++
    for (const until = performance.now() + forMs; performance.now() < until; ) {
      this.#host.fill(volume)
      await sleep(Math.min(250, Math.max(0, until - performance.now())))
    }
    this.#host.empty(volume)
  }

  /** Looks whether what is on a volume is written again, without waiting for it. */
  #expectBack(volume: Volume): void {
    this.#faultsOf[volume]++
    if (volume === 'data') this.#dataFaultAt = this.awake()
    void (volume === 'data' ? this.#expectSaved() : this.#expectLogs())
  }

  async #expectSaved(): Promise<void> {
    await this.#expect('data', SAVES_MS, 'the state was not saved again', async () => {
      const answer = await this.#host.ask('/readyz', 2_000).catch(() => undefined)
      return this.#host.hasState() && answer?.body.includes('"storage":"ok"') === true
    })
  }

  async #expectLogs(): Promise<void> {
    const before = this.#host.logFile()
    await this.#expect('log', LOGS_AGAIN_MS, 'the log file was not written again', async () => {
      const now = this.#host.logFile()
      return now !== undefined && now.bytes > (now.inode === before?.inode ? before.bytes : 0)
    })
  }

  /** Looks for something in time, as long as the process lives and nothing else happens to the volume. */
  async #expect(volume: Volume, withinMs: number, text: string, isSo: () => Promise<boolean>): Promise<void> {
    const [starts, faults, since] = [this.#starts, this.#faultsOf[volume], this.awake()]
    const isSame = () => starts === this.#starts && faults === this.#faultsOf[volume] && !this.#isEnded
    const rule = volume === 'data' ? 'saved again' : 'log'
    while (isSame()) {
      if (this.isRunning()) {
        if (await isSo()) return this.#judge.checked(rule)
        if (isSame() && this.awake() - since > withinMs + this.#toleranceMs)
          return this.#violate(rule, `${text} within ${withinMs} ms`)
      }
      await sleep(100)
    }
  }

  // The process

  /** Takes its turn: two actions on the process never overlap. */
  #exclusive(action: () => Promise<void>): Promise<void> {
    const turn = this.#turn.then(action)
    this.#turn = turn.catch(() => {})
    return turn
  }

  async #stop(): Promise<void> {
    const begun = performance.now()
    const result = await this.#host.terminate(STOPS_MS + this.#toleranceMs)
    this.#judge.checked('I10')
    if (result === undefined) this.#violate('I10', `SIGTERM did not end the server within ${STOPS_MS} ms`)
    else if (result !== 0)
      this.#violate(
        'I10',
        `after SIGTERM the server ended with ${result}, ${Math.round(performance.now() - begun)} ms later`,
      )
  }

  async #startAgain(killedAt: number, outageMs: number): Promise<void> {
    await sleep(outageMs)
    for (const user of this.#steady) user.isBack = false
    await this.#start()
    await this.#inspect('after a restart', killedAt)
  }

  /** Starts the server; a start that fails is a violation and is tried again. */
  async #start(): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#host.start()
        this.#starts++
        this.#startedAt = this.awake()
        for (const judge of this.judges) judge.started(this.awake())
        return
      } catch (error) {
        this.#violate('I10', `a start failed: ${(error as Error).message}`)
        if (attempt === 3) throw error
        await sleep(1_000)
      }
    }
  }

  #rescue(reason: string): void {
    this.#violate('I10', reason)
    if (this.#isEnded) return
    this.#rescues++
    const killedAt = performance.now()
    void this.#exclusive(async () => {
      // It may be over already, by a fault that was under way.
      if (this.isRunning() && !reason.startsWith('no answer')) return
      await this.#host.kill()
      await this.#startAgain(killedAt, 0)
    })
  }

  // Watching

  /** Looks, ten times a second, for what did not happen in time, and how late this process itself is. */
  async #watchTime(): Promise<void> {
    let recent: number[] = []
    let falsifiedAt = performance.now()
    while (!this.#isEnded) {
      const begun = performance.now()
      await sleep(100)
      recent = [...recent.slice(-30), performance.now() - begun - 100]
      this.#lateMs = Math.max(0, ...recent)
      if (!this.isRunning()) continue
      for (const judge of this.judges) judge.tick(this.awake(), this.#toleranceMs)
      if (performance.now() - falsifiedAt < 5_000) continue
      falsifiedAt = performance.now()
      this.#control.shown(FALSE, 'steady-v2-0', 'offline', this.awake())
      this.#control.shown(FALSE, 'hidden-v2-0', 'online', this.awake())
    }
  }

  /** How late something may be seen on this machine now, in ms. */
  get #toleranceMs(): number {
    return 250 + 2 * this.#lateMs + Math.min(2_000, this.#lastAnswerMs)
  }

  async #watchAnswers(): Promise<void> {
    let failingSince: number | undefined
    while (!this.#isEnded) {
      await sleep(500)
      const { era } = this.#host
      if (!this.isRunning()) continue
      const answer = await this.#host
        .ask('/healthz', 5_000)
        .then(({ ms }) => ({ ms }))
        .catch((error: Error) => ({ error: error.message }))
      // What was asked of a process that was suspended or ended meanwhile says nothing.
      if (era !== this.#host.era || this.#isEnded) {
        failingSince = undefined
        continue
      }
      this.#judge.checked('I10')
      if ('ms' in answer) {
        failingSince = undefined
        this.#lastAnswerMs = answer.ms
        const problem = this.#health.answered(answer.ms, 2 * this.#lateMs)
        if (problem) this.#violate('I10', problem)
        continue
      }
      if (failingSince === undefined) this.#violate('I10', `/healthz did not answer: ${answer.error}`)
      failingSince ??= performance.now()
      if (performance.now() - failingSince < HANGS_MS) continue
      failingSince = undefined
      this.#rescue(`no answer for ${HANGS_MS} ms`)
    }
  }

  async #watchUsage(): Promise<void> {
    let last: { era: string; at: number; cpuSeconds: number } | undefined
    while (!this.#isEnded) {
      await sleep(1_000)
      const usage = this.#host.usage()
      const { era } = this.#host
      if (!usage || !this.isRunning()) {
        last = undefined
        continue
      }
      const now = { era, at: performance.now(), cpuSeconds: usage.cpuSeconds }
      const problems = [
        this.#health.resident(usage.bytes),
        last?.era === era
          ? this.#health.used((now.cpuSeconds - last.cpuSeconds) * 1_000, now.at - last.at)
          : undefined,
      ]
      for (const problem of problems) if (problem) this.#violate('I10', problem)
      last = now
    }
  }

  /** Lets a foreign web page knock, so that the server has something to log. */
  async #makeNoise(): Promise<void> {
    while (!this.#isEnded) {
      await sleep(400)
      const socket = new WebSocket(`${this.url}?userId=stranger`, {
        origin: 'https://foreign.example',
        handshakeTimeout: 5_000,
      })
      socket.on('error', () => {})
      socket.on('open', () => socket.terminate())
    }
  }

  // Looking into the state

  /** Asks the server for everybody and holds what it says against what must be known. */
  async #inspect(when: string, killedAt: number): Promise<ReadonlyMap<string, Found> | undefined> {
    const clock = this.clock()
    const found = await ask(this.url, this.#everybody()).catch((error: Error) => error)
    if (found instanceof Error) {
      this.#violate('I10', `${when} the server could not be asked: ${found.message}`)
      return undefined
    }
    const t = this.awake()
    const statuses = new Map([...found].map(([userId, { status }]) => [userId, status]))
    this.#judge.synced('inspector', statuses, t)
    this.#judge.lost('inspector')
    const isRight = clock.startsWith('right') && clock === this.clock()
    this.#judge.checked('forgotten', this.#known.size)
    for (const text of forgotten(this.#known, found, isRight)) this.#violate('forgotten', `${when}: ${text}`)
    if (forgotten(this.#known, without(found, 'known-0'), isRight).length > 0)
      this.#control.violate('forgotten', t, when)
    for (const { line, choices, isBack } of this.#steady) {
      const user = found.get(line.userId)
      if (!user) continue
      const how = { killedAt, hasText: line.version === 'v2', isBack }
      this.#judge.checked('I8')
      const text = missing(choices, user, how)
      if (text !== undefined) this.#violate('I8', `${when}: ${line.userId}: ${text}`)
      // The control finds the state of before the last choice.
      const older = { ...user, username: `name-${Number(user.username?.slice('name-'.length)) - 1}` }
      if (missing(choices, older, how) !== undefined) this.#control.violate('I8', t, when)
    }
    return found
  }

  async #finish(): Promise<void> {
    const host = this.#host
    await this.#turn
    host.resume()
    for (const volume of ['data', 'log'] as const) host.empty(volume)
    this.#setClock(0)
    await this.#allOpen()
    // Long enough for the pace of visible changes and the last expectations.
    await sleep(6_000)
    const now = Date.now()
    const found = await this.#inspect('at the end', performance.now())
    if (found) this.#checkSeen(found, now)
    await this.#exclusive(async () => {
      const killedAt = performance.now()
      await this.#stop()
      await this.#startAgain(killedAt, 0)
      await this.#stop()
    })
  }

  /** The clock is right again: so is when users were seen. */
  #checkSeen(found: ReadonlyMap<string, Found>, now: number): void {
    const hold = (userId: string, from: number, to: number) => {
      this.#judge.checked('lastSeen')
      const seen = Date.parse(found.get(userId)?.lastSeen ?? '')
      if (seen >= from && seen <= to) return
      const expected = `from ${new Date(from).toISOString()} to ${new Date(to).toISOString()}`
      this.#violate(
        'lastSeen',
        `${userId} was seen ${expected}, the server says ${found.get(userId)?.lastSeen}`,
      )
    }
    for (const { line } of this.#steady) hold(line.userId, now - SEEN_MS, now + 2_000)
    for (const { userId, leftAt } of this.#comers) {
      if (leftAt !== undefined) hold(userId, leftAt - SEEN_MS, leftAt + SEEN_MS)
    }
  }

  #everybody(): string[] {
    return [
      ...this.#known.keys(),
      ...this.#steady.map(({ line }) => line.userId),
      ...this.#hidden.map(({ line }) => line.userId),
      ...this.#comers.map(({ userId }) => userId),
      ...this.#observers.map(({ userId }) => userId),
    ]
  }

  #violate(rule: string, text: string): void {
    this.#judge.violate(rule, this.awake(), text)
  }

  #destroyClients(): void {
    for (const { line } of [...this.#steady, ...this.#hidden]) line.destroy()
    for (const { line } of this.#comers) line?.destroy()
    for (const observer of this.#observers) observer.destroy()
  }
}

/** The observer whose sight is falsified for the control. */
const FALSE = 'observer-v2-0'

/** Seeds of clients begin here, far from those of the schedule. */
const CLIENTS = 100_000

function without<Value>(map: ReadonlyMap<string, Value>, key: string): ReadonlyMap<string, Value> {
  const less = new Map(map)
  less.delete(key)
  return less
}

/** Asks for users on a connection of its own. Rejects when there is no answer within ten seconds. */
function ask(url: string, userIds: readonly string[]): Promise<Map<string, Found>> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`${url}?userId=inspector`, ['who-is-online.v2'], { handshakeTimeout: 5_000 })
    const timer = setTimeout(() => {
      reject(new Error('no answer'))
      socket.terminate()
    }, 10_000)
    socket.on('error', error => {
      clearTimeout(timer)
      reject(error)
    })
    socket.on('message', data => {
      const message = JSON.parse(String(data))
      if (message.type === 'welcome') socket.send(JSON.stringify({ type: 'get_users', userIds }))
      if (message.type === 'error') reject(new Error(message.message))
      if (message.type !== 'users') return
      clearTimeout(timer)
      socket.close(1000)
      resolve(new Map(message.users.map((user: Found & { userId: string }) => [user.userId, user])))
    })
  })
}
