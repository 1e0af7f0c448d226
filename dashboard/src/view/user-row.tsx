import type { ReadonlySignal } from '@preact/signals'
import { Component, type VNode } from 'preact'
import { isOnline, type Row } from '../model/row.ts'
import type { TimeFormat } from '../model/time-format.ts'
import { Status } from './status.tsx'

const MINUTE_MS = 60_000

interface UserRowProps {
  readonly row: Row
  readonly now: ReadonlySignal<number>
  readonly format: TimeFormat
}

/** The content of a row. It is drawn again only for another row object, so rows that only move are not drawn. */
export class UserRow extends Component<UserRowProps> {
  override shouldComponentUpdate({ row }: UserRowProps): boolean {
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
          {row.text && <span class="text">{row.text}</span>}
        </span>
        <span class="seen">
          last seen <LastSeen row={row} now={now} format={format} />
        </span>
      </>
    )
  }
}

/**
 * When the status began. If the page did not watch then: a user offline left when last seen, and the status
 * of a user online began before some minute, rounded up because the format has no seconds.
 */
function Since({ row, now, format }: UserRowProps): VNode | null {
  const isUncertain = row.since.isUncertain && isOnline(row)
  const at = row.since.isUncertain && !isUncertain ? row.lastSeen : row.since.at
  if (at === null) return null
  const shown = isUncertain ? Math.ceil(at / MINUTE_MS) * MINUTE_MS : at
  return (
    <>
      {isUncertain ? 'since before ' : 'since '}
      <time dateTime={new Date(at).toISOString()} title={format.full(at)}>
        {format.clock(shown, now.value)}
      </time>
    </>
  )
}

function LastSeen({ row, now, format }: UserRowProps): VNode {
  const at = row.lastSeen
  if (isOnline(row)) return <>now</>
  if (at === null) return <>never</>
  return (
    <time dateTime={new Date(at).toISOString()} title={format.full(at)}>
      {format.ago(at, now.value)}
    </time>
  )
}
