import type { ReadonlySignal } from '@preact/signals'
import type { ComponentChildren, VNode } from 'preact'
import { elapsed, type TimeFormat, timeFormat } from '../model/time-format.ts'
import './cluster.css'
import {
  type Cluster,
  type ClusterNode,
  type ClusterView,
  clusterOf,
  rejectedOf,
  type ServerCluster,
} from './model.ts'

// What only the page of a node of a cluster loads.

/** How long a node may take to answer, in ms. */
const ANSWER_MS = 3_000

const ASK_MS = 1_000

/** The parts of the page that show the cluster. */
export interface ClusterParts {
  readonly banner: VNode
  readonly panel: VNode
}

/**
 * Asks a node for the cluster, again and again while the page is visible.
 *
 * @param url where a node has the cluster
 */
export function showCluster(url: string): ClusterParts {
  const cluster = clusterOf(async () => {
    const response = await fetch(url, { signal: AbortSignal.timeout(ANSWER_MS) })
    if (!response.ok) throw new Error(`the server answered ${response.status}`)
    return (await response.json()) as ServerCluster
  }, Date.now)
  cluster.ask()
  setInterval(() => document.hidden || cluster.ask(), ASK_MS)
  return {
    banner: <ClusterBanner cluster={cluster} />,
    panel: <ClusterPanel cluster={cluster} format={timeFormat()} />,
  }
}

interface ClusterProps {
  readonly cluster: Cluster
  readonly format: TimeFormat
}

type SignOf = 'well' | 'changing' | 'bad'

const SIGNS: Readonly<Record<ClusterNode['state'], SignOf>> = {
  running: 'well',
  stopping: 'changing',
  unknown: 'changing',
  silent: 'bad',
}

/** The nodes of the cluster, the state of Redis and some figures. It is drawn again with each answer of a node. */
function ClusterPanel({ cluster, format }: ClusterProps): VNode {
  const view = cluster.view.value
  return (
    <section class="cluster" aria-label="Cluster" data-old={view?.isOld ?? false}>
      <div class="bar">
        <h2>Cluster</h2>
        {view && <small>as {ownName(view)} sees it</small>}
      </div>
      {view ? <Content view={view} format={format} /> : <p class="empty">No node has answered yet.</p>}
    </section>
  )
}

/** Says at the top of the page that what it shows is not complete; nothing if it is. */
function ClusterBanner({
  cluster: { view },
}: {
  readonly cluster: { readonly view: ReadonlySignal<ClusterView | undefined> }
}): VNode | null {
  if (view.value?.state !== 'away') return null
  return (
    <section class="banner" aria-label="Warning">
      <b>Redis does not answer.</b> Clients stay connected. Changes are shown when Redis is back.
    </section>
  )
}

function Content({ view, format }: { readonly view: ClusterView; readonly format: TimeFormat }): VNode {
  const { nodes, self, isOld, at } = view
  return (
    <>
      {isOld && <p class="old">No answer since {format.second(at)}.</p>}
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be within reach of a keyboard */}
      <section class="nodes" aria-label="Nodes" tabIndex={0}>
        <table>
          <thead>
            <tr>
              <th scope="col">Node</th>
              <th scope="col">State</th>
              <th scope="col" title="How long ago the node last wrote to the log">
                Beat age
              </th>
              <th scope="col">Users</th>
            </tr>
          </thead>
          <tbody>
            {nodes.map(node => (
              <NodeRow key={node.id} node={node} isSelf={node.id === self} />
            ))}
          </tbody>
        </table>
      </section>
      <dl class="figures">
        <RedisState view={view} />
        <Figure label="Epochs begun" title="An epoch begins when Redis may have lost data">
          {view.epochs.toLocaleString()}
        </Figure>
        <Figure label="Nodes lost" title="Nodes that ended without having said so">
          {view.lost.toLocaleString()}
        </Figure>
        <Figure label="Appends rejected" title={rejectedTitle(view)}>
          {rejectedOf(view).toLocaleString()}
        </Figure>
        <Figure label="Lag of the log" title="How old the newest entry was when this node read it">
          {view.lagMs.toLocaleString()} ms
        </Figure>
        {view.ignored > 0 && (
          <Figure label="Entries ignored" title="Entries that the version of this node does not know">
            {view.ignored.toLocaleString()}
          </Figure>
        )}
      </dl>
    </>
  )
}

function NodeRow({ node, isSelf }: { readonly node: ClusterNode; readonly isSelf: boolean }): VNode {
  const { id, name, version, state, beatAgeMs, users } = node
  return (
    <tr data-node={name} data-state={state}>
      <th scope="row" title={`${name}, ${id}`}>
        <span class="node">
          <bdi>{name}</bdi> {isSelf && <mark title="This node serves the page">here</mark>}{' '}
          {version !== null && <small>{version}</small>}
        </span>
      </th>
      <td>
        <Sign is={SIGNS[state]}>{state}</Sign>
      </td>
      <td>{beatAgeMs === null ? '–' : ageText(beatAgeMs)}</td>
      <td>{users.toLocaleString()}</td>
    </tr>
  )
}

/** Whether Redis answers, and why not. */
function RedisState({ view }: { readonly view: ClusterView }): VNode {
  const { state, awayMs, lastError } = view
  return (
    <div class="redis" data-state={state}>
      <dt>Redis</dt>
      <dd>
        {state === 'away' && <Sign is="bad">has not answered for {elapsed(Math.floor(awayMs / 1_000))}</Sign>}
        {state === 'ok' && <Sign is="well">answers</Sign>}
        {state === 'loading' && <Sign is="changing">this node reads all users</Sign>}
        {lastError && (
          <small class="error" title={lastError.text}>
            {state === 'ok' && 'Last error '}
            {state === 'ok' && `${elapsed(Math.floor(lastError.ageMs / 1_000))} ago: `}
            {lastError.text}
          </small>
        )}
      </dd>
    </div>
  )
}

/** A word with a mark that has another shape and another color for each meaning. */
function Sign({ is, children }: { readonly is: SignOf; readonly children: ComponentChildren }): VNode {
  return (
    <span class="sign" data-is={is}>
      {children}
    </span>
  )
}

function Figure({
  label,
  title,
  children,
}: {
  readonly label: string
  readonly title: string
  readonly children: ComponentChildren
}): VNode {
  return (
    <div title={title}>
      <dt>{label}</dt>
      <dd>{children}</dd>
    </div>
  )
}

function ownName({ nodes, self }: ClusterView): string {
  return nodes.find(({ id }) => id === self)?.name ?? 'this node'
}

/** Ages below ten seconds have a decimal: a beat comes each second. */
function ageText(ms: number): string {
  return ms < 9_950 ? `${(ms / 1_000).toFixed(1)} s` : elapsed(Math.round(ms / 1_000))
}

function rejectedTitle({ appends }: ClusterView): string {
  const rejected = Object.entries(appends).filter(([reply, count]) => reply !== 'appended' && count > 0)
  if (rejected.length === 0) return 'Redis has accepted all that this node has appended to the log'
  return `By their reply: ${rejected.map(([reply, count]) => `${reply} ${count}`).join(', ')}`
}
