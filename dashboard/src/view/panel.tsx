import { type ReadonlySignal, signal, useComputed } from '@preact/signals'
import type { VNode } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import { copied, copyText } from '../copy.ts'
import type { Live } from '../model/live.ts'
import type { OnDemand } from '../model/on-demand.ts'
import { isOnline, type Row } from '../model/row.ts'
import type { Selection } from '../model/selection.ts'
import type { TimeFormat } from '../model/time-format.ts'
import type { LoadedOperator } from '../operator/operator.tsx'
import { Avatar } from './avatar.tsx'
import { ChangeLine } from './changes.tsx'
import { CloseIcon, CopyIcon, DoneIcon } from './icons.tsx'
import { Line } from './line.tsx'
import { LIST_ID } from './list.tsx'
import { Status } from './status.tsx'
import { Tasks } from './tasks.tsx'
import { Duration, sinceText } from './user-row.tsx'

interface PanelProps {
  readonly live: Live
  readonly selected: Selection
  readonly format: TimeFormat
  readonly operator: OnDemand<LoadedOperator>
}

/** What is known of the user whose row was opened; nothing if none was. */
export function Panel({ live, selected, format, operator }: PanelProps): VNode | null {
  const userId = selected.opened.value
  return userId === undefined ? null : (
    <OpenPanel
      key="panel"
      live={live}
      selected={selected}
      format={format}
      operator={operator}
      userId={userId}
    />
  )
}

function OpenPanel({
  live,
  selected,
  format,
  operator,
  userId,
}: PanelProps & { readonly userId: string }): VNode {
  const panel = useRef<HTMLElement>(null)
  // Row objects stay the same until something in them changes, so this draws only for this user.
  const shown = useSignalOf(userId)
  const row = useComputed(() => (live.list.value.isKnown ? live.user(shown.value) : undefined))
  const isKnown = useComputed(() => live.list.value.isKnown)

  // Where the panel covers the list, the focus must go with it.
  useEffect(() => {
    const list = document.getElementById(LIST_ID)
    if (list && getComputedStyle(list).visibility === 'hidden') panel.current?.focus({ preventScroll: true })
  }, [])
  const close = (): void => {
    selected.close()
    // Drawn first, because the list can't have the focus while the panel covers it.
    setTimeout(() => document.getElementById(LIST_ID)?.focus({ preventScroll: true }))
  }

  const name = row.value?.username ?? userId
  return (
    <aside
      class="panel"
      aria-label="User"
      ref={panel}
      tabIndex={-1}
      onKeyDown={event => event.key === 'Escape' && close()}
    >
      <div class="panel-head">
        <Avatar name={name} status={row.value?.status ?? 'offline'} />
        <h2 title={name}>
          <bdi>{name}</bdi>
        </h2>
        <button type="button" class="bare" aria-label="Close the panel" title="Close (Esc)" onClick={close}>
          <CloseIcon />
        </button>
      </div>
      <dl>
        <Line label="Id">
          <code>
            <bdi>{userId}</bdi>
          </code>
          <button
            type="button"
            class="bare copy"
            aria-label="Copy the id"
            title="Copy the id"
            data-copied={copied.value === userId}
            onClick={() => copyText(userId)}
          >
            <CopyIcon />
            <DoneIcon />
          </button>
        </Line>
        {row.value && <Facts row={row.value} now={live.now} format={format} />}
      </dl>
      {isKnown.value && !row.value && (
        <p class="empty">
          This page does not know this user: nobody has connected with this id, or the server has forgotten
          it.
        </p>
      )}
      <Tasks operator={operator} format={format} userId={userId} name={name} />
      <History live={live} format={format} userId={userId} />
    </aside>
  )
}

/** A signal with the value of a property. */
function useSignalOf<Value>(value: Value): ReadonlySignal<Value> {
  const held = useRef(signal(value))
  held.current.value = value
  return held.current
}

function Facts({
  row,
  now,
  format,
}: {
  readonly row: Row
  readonly now: ReadonlySignal<number>
  readonly format: TimeFormat
}): VNode {
  const { status, text, expiresAt, lastSeen } = row
  return (
    <>
      <Line label="Status">
        <Status status={status} />
      </Line>
      {text && <Line label="Text">{text}</Line>}
      <Line label="For">
        <Duration row={row} now={now} format={format} />
        <small>{sinceText(row, now.value, format)}</small>
      </Line>
      {expiresAt !== undefined && <Line label="Until">{format.full(expiresAt)}</Line>}
      <Line label="Last seen">
        {isOnline(row) ? (
          'now'
        ) : lastSeen === null ? (
          'never'
        ) : (
          <>
            {format.ago(lastSeen, now.value)}
            <small>{format.full(lastSeen)}</small>
          </>
        )}
      </Line>
    </>
  )
}

/** The changes of the user that this page has seen. */
function History({
  live,
  format,
  userId,
}: Pick<PanelProps, 'live' | 'format'> & { readonly userId: string }): VNode {
  // Read for its signal: a new change draws the list again.
  const { entries: newest } = live.changes.value
  const entries = newest && live.changesOf(userId)
  return (
    <>
      <h3>Changes since this page was opened</h3>
      {entries.length === 0 && <p class="empty">No changes yet.</p>}
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be within reach of a keyboard */}
      <ol class="lines" aria-label="Changes of this user, newest first" tabIndex={0}>
        {entries.map(entry => (
          <li key={entry.number}>
            <ChangeLine entry={entry} now={live.now} format={format} />
          </li>
        ))}
      </ol>
    </>
  )
}
