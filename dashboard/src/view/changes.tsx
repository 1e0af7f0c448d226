import { Component, type VNode } from 'preact'
import type { Entry } from '../model/change-list.ts'
import type { Live } from '../model/live.ts'
import type { TimeFormat } from '../model/time-format.ts'
import { Status } from './status.tsx'

/**
 * The changes since the page was opened. Not a live region: a screen reader would announce them without a
 * pause.
 */
export function Changes({ live, format }: { readonly live: Live; readonly format: TimeFormat }): VNode {
  const { entries, isPaused, unseen } = live.changes.value
  return (
    <section class="changes" aria-label="Changes">
      <div class="bar">
        <h2>Changes</h2>
        {unseen > 0 && <small>{unseen.toLocaleString()} new</small>}
        <button type="button" aria-pressed={isPaused} onClick={() => live.pauseChanges(!isPaused)}>
          Pause
        </button>
      </div>
      {entries.length === 0 && <p class="empty">No changes yet.</p>}
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be within reach of a keyboard */}
      <ol aria-label="Changes, newest first" tabIndex={0}>
        {entries.map(entry => (
          <li key={entry.number}>
            <ChangeRow entry={entry} format={format} />
          </li>
        ))}
      </ol>
    </section>
  )
}

interface ChangeRowProps {
  readonly entry: Entry
  readonly format: TimeFormat
}

/** One change. It never changes, so it is drawn once. */
class ChangeRow extends Component<ChangeRowProps> {
  override shouldComponentUpdate(): boolean {
    return false
  }

  override render(): VNode {
    const { entry, format } = this.props
    return (
      <>
        <time dateTime={new Date(entry.at).toISOString()}>{format.second(entry.at)}</time>{' '}
        <span class="who">
          <b>
            <bdi>{entry.username ?? entry.userId}</bdi>
          </b>{' '}
          {entry.username !== undefined && entry.username !== entry.userId && (
            <small>
              <bdi>{entry.userId}</bdi>
            </small>
          )}
        </span>{' '}
        <span class="what">
          <Status status={entry.status} />
          {entry.text && <i> {entry.text}</i>}
        </span>
      </>
    )
  }
}
