import { Acts } from './acts.ts'
import { BackendActs, type BackendCounts } from './backend-acts.ts'
import { type Fault, Faults } from './faults.ts'
import { MovingClients } from './moving-clients.ts'
import { checkCalls } from './oracle/call-checks.ts'
import { checkEnd } from './oracle/end-checks.ts'
import { Oracle } from './oracle/oracle.ts'
import { Truth } from './oracle/truth.ts'
import { NODES, type Parts, SimulatedCluster, Violation } from './simulated-cluster.ts'
import { SimulatedLeases } from './simulated-leases.ts'

/** How long things happen, and then how long all is calm until the end. */
const BUSY_MS = 60_000
const REST_MS = 40_000

export interface Result {
  /** What was wrong first. */
  readonly violation: string | undefined
  readonly faults: ReadonlyMap<Fault, number>
  /** How many entries were applied, and resumes of a client that were accepted. */
  readonly applied: number
  readonly resumed: number
  /** How many changes were read from the stream, and how often it did not continue although no epoch began. */
  readonly folded: number
  readonly gaps: number
  readonly backend: BackendCounts
  /** How often a renewal of a lease has gone to another node. */
  readonly movedLeases: number
  /** The last things that happened. */
  readonly history: readonly string[]
}

/**
 * Runs one seed: users act and faults happen for {@link BUSY_MS}, and then a calm time follows. With a backend, that
 * sets the status of users too. With leases, it leases sessions of further users.
 *
 * `Acts`, `MovingClients` and `Faults` do things to the `SimulatedCluster`, and tell the `Truth` of them. The `Oracle`
 * compares the nodes with the truth whenever something happens, and `checkEnd` and `checkCalls` do so at the end.
 */
export function simulate(seed: number, parts: Parts, hasBackend = false, hasLeases = false): Promise<Result> {
  return new Simulation(seed, parts, hasBackend, hasLeases).run()
}

class Simulation {
  readonly #cluster: SimulatedCluster
  readonly #truth: Truth
  readonly #clients: MovingClients
  readonly #oracle: Oracle
  readonly #acts: Acts
  readonly #faults: Faults
  readonly #backend: BackendActs
  readonly #hasBackend: boolean
  readonly #leases: SimulatedLeases | undefined

  constructor(seed: number, parts: Parts, hasBackend: boolean, hasLeases: boolean) {
    this.#hasBackend = hasBackend
    this.#cluster = new SimulatedCluster(seed, parts)
    this.#truth = new Truth(this.#cluster)
    this.#clients = new MovingClients(this.#cluster)
    this.#oracle = new Oracle(this.#cluster, this.#truth, this.#clients)
    this.#acts = new Acts(this.#cluster, this.#truth)
    this.#faults = new Faults(this.#cluster, this.#truth, this.#acts)
    this.#backend = new BackendActs(this.#cluster, this.#truth)
    if (hasLeases) this.#leases = new SimulatedLeases(this.#cluster, this.#truth, seed)
    this.#cluster.listen(this.#oracle)
  }

  async run(): Promise<Result> {
    let violation: string | undefined
    try {
      await this.#run()
    } catch (error) {
      // Whatever the code under test throws is wrong too.
      violation = error instanceof Violation ? error.message : String((error as Error).stack)
    }
    return {
      violation,
      faults: this.#faults.counts,
      applied: this.#oracle.applied,
      resumed: this.#clients.resumed,
      folded: this.#oracle.stream.folded,
      gaps: this.#oracle.stream.gaps,
      backend: this.#backend.counts,
      movedLeases: this.#leases?.moved ?? 0,
      history: this.#cluster.history,
    }
  }

  async #run(): Promise<void> {
    const cluster = this.#cluster
    const { time, random } = cluster
    for (let node = 0; node < NODES; node++) time.after(random.between(0, 300), () => cluster.start())
    this.#acts.start()
    if (this.#hasBackend) this.#backend.start()
    this.#leases?.start()
    this.#faults.start()
    this.#clients.start()
    this.#oracle.start()
    this.#oracle.stream.start()
    await time.runUntil(BUSY_MS)
    cluster.isBusy = false
    await time.runUntil(BUSY_MS + REST_MS)
    // The last entry may still be on its way. After a pause, a choice that is kept may also end at this moment.
    const isDone = () => cluster.places().size === 1 && cluster.nodes.every(({ member }) => member.isQuiet)
    for (let more = 0; more < 200 && !isDone(); more++) await time.runUntil(time.now + 5)
    checkEnd(cluster, this.#truth)
    this.#backend.checkEnd()
    this.#leases?.checkEnd()
    this.#clients.checkEnd()
    this.#oracle.stream.checkEnd()
    await checkCalls(cluster)
  }
}
