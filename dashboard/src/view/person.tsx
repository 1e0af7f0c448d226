import type { ReadonlySignal } from '@preact/signals'
import { Component, type VNode } from 'preact'
import { isHere, type Row } from '../model/row.ts'
import type { Times } from '../model/times.ts'
import { Status } from './status.tsx'

const MINUTE_MS = 60_000

interface PersonProps {
  readonly row: Row
  readonly now: ReadonlySignal<number>
  readonly format: Times
}

/** What a line says. It is drawn again only for another row: a list that moves by one does not draw those that stay. */
export class Person extends Component<PersonProps> {
  override shouldComponentUpdate({ row }: PersonProps): boolean {
    return row !== this.props.row
  }

  override render(): VNode {
    const { row, now, format } = this.props
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
            <Since row={row} now={now} format={format} />
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

/**
 * Since when the status is this. Where the page did not look when it became so, whoever left did so when last seen, and of
 * who is here no more is known than that it was earlier: before the minute that comes next, since a clock shows no less.
 */
function Since({ row, now, format }: PersonProps): VNode | null {
  const isBefore = row.since.isBefore && isHere(row)
  const at = row.since.isBefore && !isBefore ? row.lastSeen : row.since.at
  if (at === null) return null
  const shown = isBefore ? Math.ceil(at / MINUTE_MS) * MINUTE_MS : at
  return (
    <>
      {isBefore ? 'since before ' : 'since '}
      <time dateTime={new Date(at).toISOString()} title={format.full(at)}>
        {format.clock(shown, now.value)}
      </time>
    </>
  )
}

function LastSeen({ row, now, format }: PersonProps): VNode {
  const at = row.lastSeen
  if (isHere(row)) return <>now</>
  if (at === null) return <>never</>
  return (
    <time dateTime={new Date(at).toISOString()} title={format.full(at)}>
      {format.ago(at, now.value)}
    </time>
  )
}
