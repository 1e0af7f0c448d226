import { type RunningCluster, startCluster } from '@who-is-online/testing/start-cluster'
import type { Engine } from '@who-is-online/testing/start-redis'
import type { Launch } from '@who-is-online/testing/start-server'
import type { Fault } from './chaos-schedule.ts'
import type { Nodes } from './chaos-user.ts'
import { CROWD_SETTINGS, pause } from './crowd-of.ts'
import { redisCommand } from './redis-command.ts'
import { askNode, askRedis } from './starvation.ts'
import { TcpProxy } from './tcp-proxy.ts'
import type { Target, Troubles } from './troubles.ts'

const NODES = 3

/** Three nodes, each with a proxy between itself and Redis, and what can be done to them. */
export class ChaosCluster {
  readonly #cluster: RunningCluster
  readonly #proxies: readonly TcpProxy[]
  readonly #troubles: Troubles
  /** Nodes to which a balancer sends nobody. */
  readonly #down = new Set<number>()

  private constructor(cluster: RunningCluster, proxies: readonly TcpProxy[], troubles: Troubles) {
    this.#cluster = cluster
    this.#proxies = proxies
    this.#troubles = troubles
  }

  static async start(engine: Engine, troubles: Troubles, launch: Launch = {}): Promise<ChaosCluster> {
    const proxies: TcpProxy[] = []
    const cluster = await startCluster(engine, NODES, {
      settings: CROWD_SETTINGS,
      launch,
      through: async (url, index) => {
        proxies[index] ??= await TcpProxy.start(Number(new URL(url).port))
        return `redis://127.0.0.1:${proxies[index].port}`
      },
    })
    return new ChaosCluster(cluster, proxies, troubles)
  }

  /** Picks any node that is not down. */
  get anyNode(): Nodes {
    return {
      pick: random => {
        const up = this.#cluster.nodes.map((_, node) => node).filter(node => !this.#down.has(node))
        const node = up[Math.floor(random * up.length)]
        return node === undefined ? undefined : { node, url: this.#urlOf(node) }
      },
    }
  }

  /** What shows whether the processes get enough of the processor. */
  get probes() {
    const { redis, nodes } = this.#cluster
    return [
      { target: 'redis' as const, ask: () => askRedis(redis.port) },
      ...nodes.map((_, target) => ({
        target,
        ask: () => askNode(this.#cluster.nodes[target]?.origin ?? ''),
      })),
    ]
  }

  /** Picks always the same node. */
  node(node: number): Nodes {
    return { pick: () => (this.#down.has(node) ? undefined : { node, url: this.#urlOf(node) }) }
  }

  /** What the nodes have logged. */
  logs(): string[] {
    return this.#cluster.nodes.map(({ output }) => output())
  }

  /** Does a fault. Resolves when it is over. */
  async happen({ kind, node, ms, delayMs }: Fault): Promise<void> {
    const { redis } = this.#cluster
    const server = this.#cluster.nodes[node]
    const proxy = this.#proxies[node]
    if (!server || !proxy) throw new Error(`there is no node ${node}`)
    switch (kind) {
      case 'kill':
      case 'stop':
        return this.#end(node, kind, ms)
      case 'freeze':
      case 'freezeLong':
        process.kill(server.pid, 'SIGSTOP')
        return this.#lasts(node, 'frozen', ms, () => process.kill(server.pid, 'SIGCONT'))
      case 'delay':
        proxy.delay(delayMs)
        return this.#lasts(node, 'slow', ms, () => proxy.heal())
      case 'stall':
      case 'stallLong':
        proxy.stall()
        return this.#lasts(node, 'cut', ms, () => proxy.heal())
      case 'cut':
        return this.#lasts(node, 'slow', ms, () => proxy.cut())
      case 'freezeRedis':
        redis.pause()
        return this.#lasts('redis', 'slow', ms, () => redis.resume())
      case 'restartRedis':
        return this.#lasts('redis', 'lost', ms, () => redis.restart())
      case 'flushRedis':
        return this.#lasts('redis', 'lost', ms, async () => void (await redisCommand(redis.port, 'FLUSHALL')))
    }
  }

  async stop(): Promise<void> {
    // A frozen process could not be waited for.
    for (const { pid } of this.#cluster.nodes) signal(pid, 'SIGCONT')
    await this.#cluster.stop()
    await Promise.all(this.#proxies.map(proxy => proxy.stop()))
  }

  #urlOf(node: number): string {
    return this.#cluster.nodes[node]?.url ?? ''
  }

  async #end(node: number, kind: 'kill' | 'stop', ms: number): Promise<void> {
    const ended = kind === 'kill' ? 'killed' : 'stopped'
    this.#down.add(node)
    this.#troubles.ended(node, ended, performance.now())
    await this.#cluster.nodes[node]?.end(kind === 'kill' ? 'SIGKILL' : 'SIGTERM')
    this.#troubles.ended(node, ended, performance.now())
    await pause(ms)
    await this.#cluster.start(node)
    this.#down.delete(node)
  }

  async #lasts(
    target: Target,
    kind: Parameters<Troubles['begin']>[1],
    ms: number,
    heal: () => unknown,
  ): Promise<void> {
    const over = this.#troubles.begin(target, kind, performance.now())
    await pause(ms)
    await heal()
    over(performance.now())
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch {
    // It has ended.
  }
}
