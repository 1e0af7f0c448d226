import { Counter, Gauge, type Registry } from 'prom-client'
import { type MemberView, nameOf, type ReportedNode } from './cluster/node-state.ts'

/** The figures of a node of a cluster. Values are read when requested. docs/scaling.md says what to watch. */
export function addClusterMetrics(registry: Registry, node: Pick<ReportedNode, 'state' | 'figures'>): void {
  const registers = [registry]
  const gauge = (name: string, help: string, read: () => number): void => {
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read())
      },
    })
  }
  const counter = (name: string, help: string, read: () => number): void => {
    new Counter({
      name,
      help,
      registers,
      collect() {
        this.reset()
        this.inc(read())
      },
    })
  }
  gauge('wio_cluster_away', '1 while Redis does not answer this node', () =>
    node.state.awayMs === undefined ? 0 : 1,
  )
  gauge('wio_cluster_ready', '1 while this node knows all users', () => (node.state.isReady ? 1 : 0))
  gauge(
    'wio_cluster_nodes',
    'Members of the cluster that have not said that they stop',
    () => running(node.figures.members).length,
  )
  new Gauge({
    name: 'wio_cluster_beat_age_seconds',
    help: 'Age of the last entry of each member that has not said that it stops; of members with the same name, the greatest',
    labelNames: ['node'],
    registers,
    collect() {
      this.reset()
      for (const [name, age] of beatAges(node.figures.members)) this.set({ node: name }, age / 1_000)
    },
  })
  counter('wio_cluster_epochs_total', 'Epochs that have begun since the start', () => node.state.epochs)
  counter(
    'wio_cluster_nodes_lost_total',
    'Members that were lost without having said that they stop',
    () => node.state.lost,
  )
  new Counter({
    name: 'wio_cluster_appends_total',
    help: 'Appends to the log by the reply of Redis; failed: there was no reply, or an error',
    labelNames: ['reply'],
    registers,
    collect() {
      this.reset()
      for (const [reply, count] of Object.entries(node.figures.appends)) this.inc({ reply }, count)
    },
  })
  gauge(
    'wio_cluster_log_lag_seconds',
    'Age of the newest entry when this node read it',
    () => node.figures.lagMs / 1_000,
  )
  counter(
    'wio_cluster_ignored_entries_total',
    'Entries and rows that this version does not know, each time they were read',
    () => node.figures.ignored,
  )
}

function running(members: readonly MemberView[]): MemberView[] {
  return members.filter(({ about }) => about?.left === undefined)
}

/** The age of the last entry by name, in ms. Several members may have the same name. */
function beatAges(members: readonly MemberView[]): Map<string, number> {
  const ages = new Map<string, number>()
  for (const member of running(members)) {
    if (member.beatAgeMs === undefined) continue
    const name = nameOf(member)
    ages.set(name, Math.max(ages.get(name) ?? 0, member.beatAgeMs))
  }
  return ages
}
