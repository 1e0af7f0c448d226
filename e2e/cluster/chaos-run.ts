import { seeded } from '@who-is-online/testing/random'
import type { Engine } from '@who-is-online/testing/start-redis'
import type { Launch } from '@who-is-online/testing/start-server'
import { ChaosCluster } from './chaos-cluster.ts'
import { ChaosObserver } from './chaos-observer.ts'
import { describeStep, type Kind, schedule } from './chaos-schedule.ts'
import { ChaosUser } from './chaos-user.ts'
import { pause } from './crowd-of.ts'
import { HEALED_MS, Oracle, type Rule, type Violation } from './oracle.ts'
import { Starvation } from './starvation.ts'
import { Troubles } from './troubles.ts'

export interface ChaosOptions {
  readonly engine: Engine
  readonly seed: number
  readonly ms: number
  readonly users: number
  /** How the nodes are started. */
  readonly launch?: Launch
  readonly print: (line: string) => void
}

export interface ChaosOutcome {
  readonly violations: readonly Violation[]
  readonly checks: ReadonlyMap<Rule, number>
  readonly faults: ReadonlyMap<Kind, number>
  /** How long after each step everything was right, in ms. */
  readonly convergedMs: readonly number[]
  readonly resumes: number
  readonly recovered: number
  readonly actions: number
  /** How often a process did not get the processor, or was frozen on purpose. */
  readonly starved: number
  readonly logs: readonly string[]
}

/** How often a user does something, on average, in ms. */
const ACT_MS = 12_000
const TICK_MS = 50
const CHECK_MS = 250
const ASK_MS = 2_000
const HOP_MS = 5_000
/** Others may hold a user who is gone for as long, in ms. */
const REST_MS = 45_000
/** A convergence is waited for, at most, in ms; longer than is allowed, to know how long it takes. */
const PATIENCE_MS = 12_000
/** So many violations of each rule are printed, and the history of so many users. */
const PRINTED = 8
const EXPLAINED = 25
/** How late this process may be before it makes others late, in ms. */
const USUAL_SLACK_MS = 400

/** Lets users live on a cluster to which faults happen, and compares all observers with the truth. */
export async function chaosRun(options: ChaosOptions): Promise<ChaosOutcome> {
  const run = new ChaosRun(options, new Troubles())
  try {
    return await run.run()
  } finally {
    await run.stop()
  }
}

class ChaosRun {
  readonly #options: ChaosOptions
  readonly #troubles: Troubles
  readonly #oracle: Oracle
  readonly #begun = performance.now()
  readonly #faults = new Map<Kind, number>()
  readonly #convergedMs: number[] = []
  readonly #late: number[] = []
  #cluster: ChaosCluster | undefined
  #starvation: Starvation | undefined
  #users: ChaosUser[] = []
  #observers: ChaosObserver[] = []
  #timer: ReturnType<typeof setInterval> | undefined
  #isBusy = false
  #actions = 0
  #seen = 0
  /** Rules and users whose violation was printed. */
  readonly #reported = new Set<string>()
  readonly #printed = new Map<Rule, number>()
  readonly #explained = new Set<string>()

  constructor(options: ChaosOptions, troubles: Troubles) {
    this.#options = options
    this.#troubles = troubles
    this.#oracle = new Oracle(troubles)
  }

  async run(): Promise<ChaosOutcome> {
    const { engine, seed, ms, launch } = this.#options
    const cluster = await ChaosCluster.start(engine, this.#troubles, launch)
    this.#cluster = cluster
    await this.#populate(cluster)
    this.#starvation = new Starvation(this.#troubles, cluster.probes)
    this.#beginTicks()
    const until = performance.now() + ms
    for (const step of schedule(seed)) {
      if (performance.now() > until) break
      this.#print(describeStep(step))
      this.#isBusy = true
      await pause(step.quietMs)
      for (const { kind } of step.faults) this.#faults.set(kind, (this.#faults.get(kind) ?? 0) + 1)
      await Promise.all(step.faults.map(fault => cluster.happen(fault)))
      this.#isBusy = false
      await this.#converge()
    }
    await this.#rest()
    return {
      violations: this.#oracle.violations,
      checks: this.#oracle.checks,
      faults: this.#faults,
      convergedMs: this.#convergedMs,
      resumes: this.#observers.reduce((sum, { resumes }) => sum + resumes, 0),
      recovered: this.#observers.reduce((sum, { recovered }) => sum + recovered, 0),
      actions: this.#actions,
      starved: this.#starvation.times,
      logs: cluster.logs(),
    }
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer)
    this.#starvation?.stop()
    for (const user of this.#users) user.stop()
    for (const observer of this.#observers) observer.close()
    await this.#cluster?.stop()
  }

  /** Connects an observer on each node, three that change the node, and the users. A fifth of them has two sessions. */
  async #populate(cluster: ChaosCluster): Promise<void> {
    const { seed, users } = this.#options
    const oracle = this.#oracle
    this.#observers = Array.from({ length: 6 }, (_, i) => {
      const nodes = i < 3 ? cluster.node(i) : cluster.anyNode
      return new ChaosObserver(
        `${i < 3 ? 'fixed' : 'roaming'}-${i}`,
        oracle,
        nodes,
        seeded(seed + 10_000 + i),
      )
    })
    for (const observer of this.#observers) observer.connect()
    this.#users = Array.from({ length: users }, (_, i) => {
      const random = seeded(seed + 20_000 + i)
      const tabs = i % 5 === 0 ? 2 : 1
      return new ChaosUser({
        userId: `user-${i}`,
        oracle,
        nodes: cluster.anyNode,
        random,
        repeats: i % 2 === 0,
        tabs,
      })
    })
    for (const user of this.#users) user.start()
    await pause(2_000)
  }

  /** Acts, checks and measures all the time. */
  #beginTicks(): void {
    const random = seeded(this.#options.seed + 30_000)
    let before = performance.now()
    let tick = 0
    this.#timer = setInterval(() => {
      const now = performance.now()
      this.#measure(now - before - TICK_MS)
      before = now
      tick++
      const perTick = (this.#users.length * TICK_MS) / ACT_MS
      if (this.#isBusy) {
        for (let left = perTick; left > 0; left--) {
          if (left < 1 && random() > left) break
          this.#actions++
          this.#users[Math.floor(random() * this.#users.length)]?.act()
        }
      }
      for (const user of this.#users) user.resolveDoubts()
      if (tick % (CHECK_MS / TICK_MS) === 0) this.#check(now)
      if (tick % (ASK_MS / TICK_MS) === 0) for (const observer of this.#observers) observer.ask()
      if (tick % (HOP_MS / TICK_MS) === 0) this.#observers[3 + Math.floor(random() * 3)]?.hop()
    }, TICK_MS)
  }

  #measure(lateMs: number): void {
    this.#late.push(Math.max(0, lateMs))
    if (this.#late.length > 200) this.#late.shift()
    this.#oracle.slackMs = USUAL_SLACK_MS + 2 * Math.max(...this.#late)
  }

  #check(now: number): void {
    for (const observer of this.#observers) {
      if (observer.isSynced) this.#oracle.shows(observer, observer.shown, now)
    }
    for (const { rule, at, text } of this.#oracle.violations.slice(this.#seen)) {
      this.#seen++
      const key = `${rule} ${/user-\d+/.exec(text)?.[0]}`
      if (this.#reported.has(key)) continue
      this.#reported.add(key)
      const times = (this.#printed.get(rule) ?? 0) + 1
      this.#printed.set(rule, times)
      if (times > PRINTED) continue
      this.#print(`VIOLATION ${rule} at ${seconds(at - this.#begun)}: ${text}`)
      const userId = /user-\d+/.exec(text)?.[0]
      if (userId === undefined || this.#explained.has(userId) || this.#explained.size >= EXPLAINED) continue
      this.#explained.add(userId)
      for (const event of this.#oracle.user(userId).history) {
        this.#print(`    ${seconds(event.at - this.#begun)}: ${event.what}`)
      }
    }
  }

  /** Waits until all observers are right. */
  async #converge(patienceMs = PATIENCE_MS): Promise<void> {
    let begun = performance.now()
    let wrong: string[] = []
    while (performance.now() < begun + patienceMs) {
      const now = performance.now()
      // The machine may be too busy by itself.
      begun = Math.max(begun, Math.min(now, this.#troubles.lastHealed))
      wrong = this.#observers.flatMap(({ name, node, isSynced, shown }) =>
        isSynced
          ? this.#oracle.differences(shown, now).map(text => `${name} at node ${node + 1}: ${text}`)
          : [`${name} at node ${node + 1} has no state`],
      )
      if (wrong.length === 0) {
        const ms = performance.now() - begun
        this.#convergedMs.push(ms)
        return this.#oracle.converged(ms, [], now)
      }
      await pause(TICK_MS)
    }
    this.#oracle.converged(undefined, wrong, performance.now())
  }

  /** Waits until all that is held is gone. Then nothing is left open. */
  async #rest(): Promise<void> {
    this.#print(`rest of ${REST_MS / 1_000} s`)
    await pause(REST_MS)
    await this.#converge(HEALED_MS)
    this.#check(performance.now())
  }

  #print(text: string): void {
    this.#options.print(`${seconds(performance.now() - this.#begun).padStart(7)}  ${text}`)
  }
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(2)} s`
}
