import { sleep } from '@who-is-online/testing/client'
import { seeded } from '@who-is-online/testing/random'
import { WebSocket } from 'ws'
import { type Found, missing } from './choices.ts'
import type { ClientConnection, Version } from './client-connection.ts'
import { Health } from './health.ts'
import { InvariantChecker, NOTICED_SUSPENSION_MS, type Violation } from './invariants.ts'
import { forgotten, knownUsers, stateOf } from './known-users.ts'
import { type ObserverEvents, observe } from './observer.ts'
import { ALL_BACK_MS, type Fault, type Lane, SAVED_AGAIN_MS, type Schedule, type Volume } from './schedule.ts'
import { Host } from './server-host.ts'
import { HiddenUser, type RunContext, SteadyUser, Visitor } from './simulated-users.ts'

export interface RunOptions {
  readonly seed: number
  readonly ms: number
  readonly schedule: Schedule
  /** The server to run. */
  readonly program: string
  readonly port: number
  /** The path of libfaketime. */
  readonly faketime: string
}

export interface Outcome {
  readonly violations: readonly Violation[]
  /**
   * The number of violations by rule that the control checker found; its observations are falsified on
   * purpose.
   */
  readonly control: ReadonlyMap<string, number>
  /** How often each rule was checked. */
  readonly checks: ReadonlyMap<string, number>
  /** How long it took until observers saw that a user left, in ms. */
  readonly detections: InvariantChecker['detections']
  readonly answersMs: readonly number[]
  readonly mostBytes: number
  /** The number of starts, and how many of them because the server had ended or hung. */
  readonly starts: number
  readonly rescues: number
}

/** The numbers of clients of each kind, 100 in all. */
const STEADY = 25
const OBSERVERS = 5
const HIDDEN = 5
const VISITORS = 15

const KNOWN = 200

/** The state must be saved within this time after the disk works again, in ms of a running process. */
const SAVES_MS = 5_000
/** A log file must be written again within this time (SPEC [G4]), in ms. */
const LOGS_AGAIN_MS = 10_000
const STOPS_MS = 10_000
const HANGS_MS = 20_000

/** How far `lastSeen` may be from the time at which a client left, in ms: it is the last sign of life. */
const SEEN_MS = 45_000

/** Runs a schedule against a server with 100 clients. Returns the violations. */
export function run(options: RunOptions): Promise<Outcome> {
  return new Run(options).go()
}

class Run implements RunContext, ObserverEvents {
  readonly url: string
  readonly #options: RunOptions
  readonly #checker = new InvariantChecker()
  /** Receives the same facts but falsified observations, so it must find violations. */
  readonly #control = new InvariantChecker()
  readonly checkers = [this.#checker, this.#control]
  readonly #health = new Health()
  readonly #schedule: Schedule
  readonly #known = knownUsers(KNOWN, Date.now())
  readonly #steady: SteadyUser[] = []
  readonly #observers: ClientConnection[] = []
  readonly #hidden: HiddenUser[] = []
  readonly #visitors: Visitor[] = []
  #host!: Host
  #begun = 0
  #isOver = false
  #isEnded = false
  /** The last action on the process; actions run one at a time. */
  #turn: Promise<unknown> = Promise.resolve()
  #starts = 0
  #rescues = 0
  #clockChanges = 0
  /** When the server started, and when the last fault of its data ended, by `awake()`. */
  #startedAt = 0
  #dataFaultAt = Number.NEGATIVE_INFINITY
  #faultsOf: Record<Volume, number> = { data: 0, log: 0 }
  /** The longest delay of this process in the last seconds, in ms. */
  #lateMs = 0
  #lastAnswerMs = 0

  constructor(options: RunOptions) {
    this.#options = options
    this.url = `ws://127.0.0.1:${options.port}/ws`
    this.#schedule = options.schedule
    this.#populate(options.seed)
  }

  // RunContext

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
    this.#checker.violate('I2', this.awake(), `the server closed the connection of ${userId} with ${code}`)
  }

  // ObserverEvents

  synced(observer: string, state: ReadonlyMap<string, string>): void {
    this.#checker.synced(observer, state, this.awake())
    this.#control.synced(observer, state, this.awake())
  }

  lost(observer: string): void {
    for (const checker of this.checkers) checker.lost(observer)
  }

  shown(observer: string, userId: string, status: string): void {
    this.#checker.shown(observer, userId, status, this.awake())
    // The control never sees this user leave.
    if (observer === FALSIFIED_OBSERVER && userId.startsWith('visitor') && status === 'offline') return
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
      const lives = Promise.all(
        [...this.#steady, ...this.#hidden, ...this.#visitors].map(user => user.live()),
      )
      // Awaited at the end; a failure before that must not be an unhandled rejection.
      lives.catch(() => {})
      for (const observer of this.#observers) observer.open()
      await this.#allOpen()
      this.#begun = performance.now()
      const watches = [this.#watchTime(), this.#watchAnswers(), this.#watchUsage(), this.#makeNoise()]
      await Promise.all(Object.keys(this.#schedule).map(lane => this.#runLane(lane as Lane)))
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
      violations: this.#checker.violations,
      control,
      checks: this.#checker.checks,
      detections: this.#checker.detections,
      answersMs: this.#health.answersMs,
      mostBytes: this.#health.mostBytes,
      starts: this.#starts,
      rescues: this.#rescues,
    }
  }

  #populate(seed: number): void {
    let index = 0
    const random = () => seeded(seed + FIRST_CLIENT_SEED + index++)
    for (const version of ['v1', 'v2'] as const) {
      const id = (kind: string, n: number) => `${kind}-${version}-${n}`
      for (let n = 0; n < STEADY; n++)
        this.#steady.push(new SteadyUser(this, id('steady', n), version, random()))
      for (let n = 0; n < OBSERVERS; n++)
        this.#observers.push(this.#observer(id('observer', n), version, random()))
      for (let n = 0; n < HIDDEN; n++) {
        this.#hidden.push(
          new HiddenUser(this, id('hidden', n), version, { repeats: n % 2 === 0, random: random() }),
        )
      }
      for (let n = 0; n < VISITORS; n++)
        this.#visitors.push(new Visitor(this, id('visitor', n), version, random()))
    }
  }

  #observer(userId: string, version: Version, random: () => number): ClientConnection {
    let isKnown = false
    return observe({ url: this.url, version, userId }, random, this, () => {
      if (isKnown) return
      isKnown = true
      for (const checker of this.checkers) checker.present(userId, this.awake())
    })
  }

  async #allOpen(): Promise<void> {
    const connections = [
      ...this.#steady.map(({ connection }) => connection),
      ...this.#hidden.map(({ connection }) => connection),
      ...this.#observers,
    ]
    for (const until = performance.now() + 60_000; performance.now() < until; ) {
      if (connections.every(({ isOpen }) => isOpen)) return
      await sleep(100)
    }
    const closed = connections.filter(({ isOpen }) => !isOpen).map(({ userId }) => userId)
    this.#violate('I10', `not connected after one minute: ${closed.join(', ')}`)
  }

  // Faults

  async #runLane(lane: Lane): Promise<void> {
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
          for (const checker of this.checkers) checker.resumed(this.awake())
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

  /**
   * Waits until the process has run for this time. On a slow machine, the schedule is late and its gaps are
   * too short.
   */
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

  /** Starts a check that the files of a volume are written again. */
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

  /** Waits for a condition, unless the process ends or the volume has another fault. */
  async #expect(
    volume: Volume,
    withinMs: number,
    text: string,
    isMet: () => Promise<boolean>,
  ): Promise<void> {
    const [starts, faults, since] = [this.#starts, this.#faultsOf[volume], this.awake()]
    const isSame = () => starts === this.#starts && faults === this.#faultsOf[volume] && !this.#isEnded
    const rule = volume === 'data' ? 'saved again' : 'log'
    while (isSame()) {
      if (this.isRunning()) {
        if (await isMet()) return this.#checker.checked(rule)
        if (isSame() && this.awake() - since > withinMs + this.#toleranceMs)
          return this.#violate(rule, `${text} within ${withinMs} ms`)
      }
      await sleep(100)
    }
  }

  // The process

  /** Runs an action on the process after the previous ones. */
  #exclusive(action: () => Promise<void>): Promise<void> {
    const turn = this.#turn.then(action)
    this.#turn = turn.catch(() => {})
    return turn
  }

  async #stop(): Promise<void> {
    const begun = performance.now()
    const result = await this.#host.terminate(STOPS_MS + this.#toleranceMs)
    this.#checker.checked('I10')
    if (result === undefined) this.#violate('I10', `SIGTERM did not end the server within ${STOPS_MS} ms`)
    else if (result !== 0)
      this.#violate(
        'I10',
        `after SIGTERM the server ended with ${result} after ${Math.round(performance.now() - begun)} ms`,
      )
  }

  async #startAgain(killedAt: number, outageMs: number): Promise<void> {
    await sleep(outageMs)
    for (const user of this.#steady) user.isBack = false
    await this.#start()
    await this.#inspect('after a restart', killedAt)
  }

  /** Starts the server. A failed start is a violation, and is repeated. */
  async #start(): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#host.start()
        this.#starts++
        this.#startedAt = this.awake()
        for (const checker of this.checkers) checker.started(this.awake())
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
      // Another fault may have restarted the server meanwhile.
      if (this.isRunning() && !reason.startsWith('no answer')) return
      await this.#host.kill()
      await this.#startAgain(killedAt, 0)
    })
  }

  // Monitoring

  /** Checks all deadlines ten times per second, and measures the delay of this process. */
  async #watchTime(): Promise<void> {
    let recent: number[] = []
    let falsifiedAt = performance.now()
    while (!this.#isEnded) {
      const begun = performance.now()
      await sleep(100)
      recent = [...recent.slice(-30), performance.now() - begun - 100]
      this.#lateMs = Math.max(0, ...recent)
      if (!this.isRunning()) continue
      for (const checker of this.checkers) checker.tick(this.awake(), this.#toleranceMs)
      if (performance.now() - falsifiedAt < 5_000) continue
      falsifiedAt = performance.now()
      this.#control.shown(FALSIFIED_OBSERVER, 'steady-v2-0', 'offline', this.awake())
      this.#control.shown(FALSIFIED_OBSERVER, 'hidden-v2-0', 'online', this.awake())
    }
  }

  /** The delay that this machine may cause now, in ms. */
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
      // Ignore the result if the process was suspended or ended meanwhile.
      if (era !== this.#host.era || this.#isEnded) {
        failingSince = undefined
        continue
      }
      this.#checker.checked('I10')
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

  /** Opens connections with a foreign Origin, so that the server has something to log. */
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

  // Inspecting the state

  /** Queries all users and compares them with what must be known. */
  async #inspect(when: string, killedAt: number): Promise<ReadonlyMap<string, Found> | undefined> {
    const clock = this.clock()
    const found = await ask(this.url, this.#allUserIds()).catch((error: Error) => error)
    if (found instanceof Error) {
      this.#violate('I10', `${when} the query failed: ${found.message}`)
      return undefined
    }
    const t = this.awake()
    const statuses = new Map([...found].map(([userId, { status }]) => [userId, status]))
    this.#checker.synced('inspector', statuses, t)
    this.#checker.lost('inspector')
    const isRight = clock.startsWith('right') && clock === this.clock()
    this.#checker.checked('forgotten', this.#known.size)
    for (const text of forgotten(this.#known, found, isRight)) this.#violate('forgotten', `${when}: ${text}`)
    if (forgotten(this.#known, without(found, 'known-0'), isRight).length > 0)
      this.#control.violate('forgotten', t, when)
    for (const { connection, choices, isBack } of this.#steady) {
      const user = found.get(connection.userId)
      if (!user) continue
      const how = { killedAt, hasText: connection.version === 'v2', isBack }
      this.#checker.checked('I8')
      const text = missing(choices, user, how)
      if (text !== undefined) this.#violate('I8', `${when}: ${connection.userId}: ${text}`)
      // The control sees the state before the last choice.
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
    // Long enough for the rate limit of visible changes and the last checks.
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

  /** The clock is right again, so `lastSeen` must be right. */
  #checkSeen(found: ReadonlyMap<string, Found>, now: number): void {
    const check = (userId: string, from: number, to: number) => {
      this.#checker.checked('lastSeen')
      const seen = Date.parse(found.get(userId)?.lastSeen ?? '')
      if (seen >= from && seen <= to) return
      const expected = `from ${new Date(from).toISOString()} to ${new Date(to).toISOString()}`
      this.#violate(
        'lastSeen',
        `${userId} was seen ${expected}, the server says ${found.get(userId)?.lastSeen}`,
      )
    }
    for (const { connection } of this.#steady) check(connection.userId, now - SEEN_MS, now + 2_000)
    for (const { userId, leftAt } of this.#visitors) {
      if (leftAt !== undefined) check(userId, leftAt - SEEN_MS, leftAt + SEEN_MS)
    }
  }

  #allUserIds(): string[] {
    return [
      ...this.#known.keys(),
      ...this.#steady.map(({ connection }) => connection.userId),
      ...this.#hidden.map(({ connection }) => connection.userId),
      ...this.#visitors.map(({ userId }) => userId),
      ...this.#observers.map(({ userId }) => userId),
    ]
  }

  #violate(rule: string, text: string): void {
    this.#checker.violate(rule, this.awake(), text)
  }

  #destroyClients(): void {
    for (const { connection } of [...this.#steady, ...this.#hidden]) connection.destroy()
    for (const { connection } of this.#visitors) connection?.destroy()
    for (const observer of this.#observers) observer.destroy()
  }
}

/** The observer whose observations are falsified for the control. */
const FALSIFIED_OBSERVER = 'observer-v2-0'

/** The first seed of the clients, far from those of the schedule. */
const FIRST_CLIENT_SEED = 100_000

function without<Value>(map: ReadonlyMap<string, Value>, key: string): ReadonlyMap<string, Value> {
  const less = new Map(map)
  less.delete(key)
  return less
}

/** Queries users on a new connection. Rejects if there is no reply within ten seconds. */
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
