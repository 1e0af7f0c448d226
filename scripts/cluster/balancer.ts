import { connect, createServer, type Socket } from 'node:net'

// A TCP balancer for trying a cluster on one machine. It reads nothing of what it forwards, so a WebSocket needs
// nothing of it. In production, use a proxy: docs/deploy.md.

/** A node that can get connections. */
export interface Target {
  readonly name: string
  /** The port of the node on 127.0.0.1. */
  readonly port: number
}

/** Settings of a balancer. */
export interface BalancerOptions {
  /** The TCP port to listen on, on 127.0.0.1. With 0 the system picks a free port. */
  readonly port: number
  readonly targets: readonly Target[]
  /** The time between two checks of a node, and how long a node may take to answer one, in ms. */
  readonly checkMs?: number
}

/** A balancer that runs. */
export interface Balancer {
  readonly port: number
  /** Whether the last `/readyz` of a node was 200, and no connection to it has failed since. */
  readonly isReady: (name: string) => boolean
  /** Checks all nodes now. Resolves when each has answered or has had its time. */
  readonly check: () => Promise<void>
  /** Ends all connections, and stops listening. */
  readonly close: () => Promise<void>
}

const CHECK_MS = 1_000
const HOST = '127.0.0.1'

/**
 * Starts a balancer. Each connection goes to the next node whose `/readyz` answers 200. Rejects if the port can't be
 * used.
 */
export async function startBalancer({
  port,
  targets,
  checkMs = CHECK_MS,
}: BalancerOptions): Promise<Balancer> {
  const ready = new Set<string>()
  const sockets = new Set<Socket>()
  let last = -1

  const track = (socket: Socket): void => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  }

  /** The ready nodes, in the order in which a new connection tries them. */
  const order = (): Target[] => {
    const next = last + 1
    return [...targets.slice(next), ...targets.slice(0, next)].filter(({ name }) => ready.has(name))
  }

  const forward = (client: Socket, [target, ...others]: readonly Target[]): void => {
    if (!target || client.destroyed) return void client.destroy()
    const node = connect({ port: target.port, host: HOST, allowHalfOpen: true, noDelay: true })
    track(node)
    const retry = (): void => {
      ready.delete(target.name)
      forward(client, others)
    }
    const abandon = (): void => void node.destroy()
    client.once('close', abandon)
    node.once('error', retry)
    node.once('connect', () => {
      last = targets.indexOf(target)
      client.off('close', abandon)
      node.off('error', retry)
      join(client, node)
    })
  }

  const server = createServer({ allowHalfOpen: true, noDelay: true }, client => {
    track(client)
    client.on('error', () => {})
    forward(client, order())
  })

  const check = async (): Promise<void> => {
    await Promise.all(
      targets.map(async target => {
        const isReady = await answers(target, checkMs)
        if (isReady) ready.add(target.name)
        else ready.delete(target.name)
      }),
    )
  }

  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, HOST, resolve)
  })
  const checks = setInterval(() => void check(), checkMs)
  await check()
  const address = server.address()
  return {
    port: typeof address === 'object' && address ? address.port : port,
    isReady: name => ready.has(name),
    check,
    close() {
      clearInterval(checks)
      return new Promise(resolve => {
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      })
    },
  }
}

/** Forwards both ways. The end of one direction is forwarded, and the other direction goes on. */
function join(client: Socket, node: Socket): void {
  for (const [from, to] of [
    [client, node],
    [node, client],
  ] as const) {
    from.on('error', () => {})
    from.pipe(to)
    // After an orderly end, what was written is still sent. A failure is forwarded as one.
    from.once('close', hadError => {
      if (hadError || !from.readableEnded) to.resetAndDestroy()
    })
  }
}

async function answers({ port }: Target, patienceMs: number): Promise<boolean> {
  try {
    const response = await fetch(`http://${HOST}:${port}/readyz`, { signal: AbortSignal.timeout(patienceMs) })
    await response.body?.cancel()
    return response.status === 200
  } catch {
    return false
  }
}
