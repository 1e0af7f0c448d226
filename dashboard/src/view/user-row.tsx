import type { ReadonlySignal } from '@preact/signals'
import { Component, type VNode } from 'preact'
import { isOnline, type Row, startOf } from '../model/row.ts'
import type { TimeFormat } from '../model/time-format.ts'
import { Avatar } from './avatar.tsx'
import { CopyIcon, DoneIcon } from './icons.tsx'

interface UserRowProps {
  readonly row: Row
  readonly now: ReadonlySignal<number>
  readonly format: TimeFormat
}

/** The cells of a row. They are drawn again only for another row object, so rows that only move are not drawn. */
export class UserRow extends Component<UserRowProps> {
  override shouldComponentUpdate({ row }: UserRowProps): boolean {
    return row !== this.props.row
  }

  override render(): VNode {
    const { row, now, format } = this.props
    const { userId, username, status, text } = row
    const name = username ?? userId
    return (
      <>
        <span class="who" role="gridcell" title={name === userId ? name : `${name}, ${userId}`}>
          <Avatar name={name} status={status} />
          <span class="name">
            <b>
              <bdi>{name}</bdi>
            </b>
            {row.isMe && <mark>you</mark>}
          </span>
          {name !== userId && (
            <small>
              <bdi>{userId}</bdi>
            </small>
          )}
          <button
            type="button"
            class="copy"
            tabIndex={-1}
            data-copy
            title="Copy the id (C)"
            aria-label="Copy the id"
          >
            <CopyIcon />
            <DoneIcon />
          </button>
        </span>
        <span class="word" role="gridcell">
          {status}
        </span>
        <span class="for" role="gridcell">
          <Duration row={row} now={now} format={format} />
        </span>
        <span class="text" role="gridcell" title={text}>
          {text}
        </span>
        <span class="seen" role="gridcell">
          <LastSeen row={row} now={now} format={format} />
        </span>
      </>
    )
  }
}

/** How long the user has had this status. "4m+": at least 4 minutes, because the page did not see it begin. */
export function Duration({ row, now, format }: UserRowProps): VNode | null {
  const start = startOf(row)
  if (!start) return null
  const { at, isUncertain } = start
  const short = format.short(at, now.value)
  const text = isUncertain && short === 'now' ? '–' : short
  return (
    <time dateTime={new Date(at).toISOString()} title={sinceText(row, now.value, format)}>
      {text}
      {isUncertain && text !== '–' && '+'}
    </time>
  )
}

/** When the status of a row began, as a sentence. */
export function sinceText(row: Row, now: number, format: TimeFormat): string {
  const start = startOf(row)
  if (!start) return `${row.status}, never seen`
  if (start.isUncertain) {
    const isNew = format.short(start.at, now) === 'now'
    const time = isNew ? 'an unknown time' : `at least ${format.span(start.at, now)}`
    return `${row.status} for ${time}: it began before this page could see it`
  }
  const span = format.short(start.at, now) === 'now' ? '' : ` for ${format.span(start.at, now)},`
  return `${row.status}${span} since ${format.full(start.at)}`
}

/** When an offline user was last seen. For others that is now, and goes without saying. */
function LastSeen({ row, now, format }: UserRowProps): VNode | null {
  const at = row.lastSeen
  if (isOnline(row)) return null
  if (at === null) return <>never</>
  return (
    <time dateTime={new Date(at).toISOString()} title={`Last seen ${format.full(at)}`}>
      {format.clock(at, now.value)}
    </time>
  )
}
