import { type ReadonlySignal, useComputed } from '@preact/signals'
import { Component, type VNode } from 'preact'
import { isHere, type Row } from '../model/row.ts'
import type { Times } from '../model/times.ts'
import { Status } from './status.tsx'

interface PersonProps {
  readonly row: Row
  readonly openedAt: number
  readonly now: ReadonlySignal<number>
  readonly format: Times
}

/** What a line says. It is drawn again only for another row: a list that moves by one does not draw those that stay. */
export class Person extends Component<PersonProps> {
  override shouldComponentUpdate({ row }: PersonProps): boolean {
    return row !== this.props.row
  }

  override render(): VNode {
    const { row, openedAt, now, format } = this.props
    return (
      <>
        <span class="who">
          <b>
            <bdi>{row.username ?? row.userId}</bdi>
          </b>
          {row.username !== undefined && row.username !== row.userId && (
            <small>
              <bdi>{row.userId}</bdi>
            </small>
          )}
          {row.isMe && <mark>you</mark>}
        </span>
        <Status status={row.status} />
        <span class="details">
          <span class="since">
            <Since row={row} openedAt={openedAt} now={now} format={format} />
          </span>
          {row.text && <span class="said">{row.text}</span>}
        </span>
        <span class="seen">
          last seen <LastSeen row={row} now={now} format={format} />
        </span>
      </>
    )
  }
}

/** Since when the status is this. Who was here before the page was opened has been so for longer than it knows. */
function Since({ row, openedAt, now, format }: PersonProps): VNode | null {
  const at = row.since ?? (isHere(row) ? openedAt : row.lastSeen)
  const text = useComputed(() => (at === null ? '' : format.clock(at, now.value)))
  if (at === null) return null
  const isBefore = row.since === undefined && isHere(row)
  return (
    <>
      {isBefore ? 'since before ' : 'since '}
      <time dateTime={new Date(at).toISOString()} title={format.full(at)}>
        {text}
      </time>
    </>
  )
}

function LastSeen({ row, now, format }: Omit<PersonProps, 'openedAt'>): VNode {
  const at = row.lastSeen
  const text = useComputed(() => (at === null ? 'never' : format.ago(at, now.value)))
  if (isHere(row)) return <>now</>
  if (at === null) return <>never</>
  return (
    <time dateTime={new Date(at).toISOString()} title={format.full(at)}>
      {text}
    </time>
  )
}
