import { SimulatedClient } from './simulated-client.ts'
import { type SimulatedCluster, USERS } from './simulated-cluster.ts'
import type { SimulatedNode } from './simulated-node.ts'

const CLIENTS = 4
/** When they connect first. The nodes are ready then. */
const FIRST_MS = 9_000

/** The clients that move from node to node. What they know must be what their node shows. */
export class MovingClients {
  readonly #cluster: SimulatedCluster
  readonly #clients = Array.from({ length: CLIENTS }, () => new SimulatedClient(USERS))
  /** How many resumes were accepted. */
  resumed = 0

  constructor(cluster: SimulatedCluster) {
    this.#cluster = cluster
  }

  start(): void {
    for (const client of this.#clients) this.#cluster.time.after(FIRST_MS, () => this.#move(client))
  }

  /** A node tells its clients of changes. */
  told(node: SimulatedNode): void {
    for (const client of this.#clients) if (client.node === node) client.told()
  }

  /** At the end, each client knows what its node shows. */
  checkEnd(): void {
    for (const client of this.#clients) {
      const difference = client.node?.isDead === true ? undefined : client.difference()
      if (difference !== undefined) this.#cluster.violated(difference)
    }
  }

  /** A client leaves a node, and continues on another one from where it was. */
  #move(client: SimulatedClient): void {
    const { time, random, isBusy } = this.#cluster
    if (isBusy) time.after(random.between(500, 5_000), () => this.#move(client))
    client.disconnect()
    time.after(random.between(0, 1_500), () => this.#connect(client))
  }

  #connect(client: SimulatedClient): void {
    const { time, random } = this.#cluster
    const nodes = this.#cluster.open()
    if (nodes.length === 0) {
      time.after(200, () => this.#connect(client))
      return
    }
    if (!client.connect(random.pick(nodes))) return
    this.resumed++
    const difference = client.difference()
    if (difference !== undefined) this.#cluster.violated(`resumed: ${difference}`)
  }
}
