import { expect, onTestFinished, vi } from 'vitest'
import { connectRedis } from '../redis.ts'
import { LinkedNode } from './linked-node.ts'

/** How long the protocol may take to do something. The machine may be busy. */
export const PATIENCE = { timeout: 30_000, interval: 50 }

/** Nodes that are ready, each with a session of a user of its own. */
export async function ready(url: string, ids: readonly string[]): Promise<LinkedNode[]> {
  const nodes = ids.map(id => new LinkedNode(id, () => connectRedis(url, 'test')))
  onTestFinished(async () => void (await Promise.all(nodes.map(({ link }) => link.close()))))
  for (const node of nodes) {
    node.link.start()
    node.open(`user-${node.id}`)
  }
  await vi.waitFor(() => expect(nodes.every(({ member }) => member.isReady)).toBe(true), PATIENCE)
  await seesAll(nodes)
  return nodes
}

/** Waits until each node knows the users of all nodes. */
export async function seesAll(nodes: readonly LinkedNode[]): Promise<void> {
  await vi.waitFor(() => {
    for (const node of nodes) {
      for (const { id } of nodes) expect(node.usersOf(id)).toContain(`user-${id}`)
    }
  }, PATIENCE)
}

/** The nodes that are lost for a node. Several nodes may tell the same loss. */
export function lost(node: LinkedNode): string[] {
  return [...new Set(node.events.flatMap(event => (event.what === 'nodeLost' ? [event.node] : [])))]
}
