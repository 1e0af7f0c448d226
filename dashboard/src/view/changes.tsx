import { type ReadonlySignal, useComputed } from '@preact/signals'
import { Component, type VNode } from 'preact'
import type { Entry } from '../model/change-list.ts'
import { changeWords } from '../model/change-words.ts'
import type { Live } from '../model/live.ts'
import type { Selection } from '../model/selection.ts'
import type { TimeFormat } from '../model/time-format.ts'
import { isUpToDate } from '../model/trust.ts'
import { Dot } from './avatar.tsx'

interface ChangesProps {
  readonly live: Live
  readonly selected: Selection
  readonly format: TimeFormat
}

/**
 * The changes since the page was opened. Not a live region: a screen reader would announce them without a
 * pause.
 */
export function Changes({ live, selected, format }: ChangesProps): VNode {
  const { entries, isPaused, unseen } = live.changes.value
  const isKnown = useComputed(() => live.list.value.isKnown)
  const isLive = useComputed(() => isUpToDate(live.trust.value))
  return (
    <section class="changes" aria-label="Changes">
      <div class="bar">
        <h2>Changes</h2>
        <small>{unseen > 0 && `${unseen.toLocaleString()} new`}</small>
        <button
          type="button"
          aria-pressed={isPaused}
          disabled={!isLive.value}
          title={isPaused ? 'Show the newest changes' : 'Keep these changes in place'}
          onClick={() => live.pauseChanges(!isPaused)}
        >
          Pause
        </button>
      </div>
      {entries.length === 0 && (
        <p class="empty">{isKnown.value ? 'No changes since this page was opened.' : '–'}</p>
      )}
      <ol class="lines" aria-label="Changes, newest first">
        {entries.map(entry => (
          <li key={entry.number}>
            <ChangeLine entry={entry} now={live.now} format={format} open={selected.open} />
          </li>
        ))}
      </ol>
    </section>
  )
}

interface ChangeLineProps {
  readonly entry: Entry
  readonly now: ReadonlySignal<number>
  readonly format: TimeFormat
  /** Opens the panel of the user. Without it, the line does not name the user. */
  readonly open?: (userId: string) => void
}

/** One change in words. Besides its relative time it never changes, so it is drawn once. */
export class ChangeLine extends Component<ChangeLineProps> {
  override shouldComponentUpdate(): boolean {
    return false
  }

  override render(): VNode {
    const { entry, now, format, open } = this.props
    const { userId, username = userId, status, text } = entry
    return (
      <>
        <Dot status={status} />
        <span class="what">
          {open && (
            <button type="button" class="link" title={userId} onClick={() => open(userId)}>
              <bdi>{username}</bdi>
            </button>
          )}{' '}
          {changeWords(entry)}
          {text && (
            <span class="text" title={text}>
              : {text}
            </span>
          )}
        </span>
        <Passed at={entry.at} now={now} format={format} />
      </>
    )
  }
}

function Passed({
  at,
  now,
  format,
}: Pick<ChangeLineProps, 'now' | 'format'> & { readonly at: number }): VNode {
  return (
    <time dateTime={new Date(at).toISOString()} title={format.full(at)}>
      {format.short(at, now.value)}
    </time>
  )
}
