import { Component, type VNode } from 'preact'
import type { Live } from '../model/live.ts'
import type { Entry } from '../model/stream.ts'
import type { Times } from '../model/times.ts'
import { Status } from './status.tsx'

/** What happened since the page was opened. Not a live region: it would talk without end. */
export function Recent({ live, format }: { readonly live: Live; readonly format: Times }): VNode {
  const { entries, isPaused, missed } = live.stream.value
  return (
    <section class="recent" aria-label="Changes">
      <div class="bar">
        <h2>Changes</h2>
        {missed > 0 && <small>{missed.toLocaleString()} more</small>}
        <button type="button" aria-pressed={isPaused} onClick={() => live.pauseStream(!isPaused)}>
          Pause
        </button>
      </div>
      {entries.length === 0 && <p class="nobody">Nothing has happened yet.</p>}
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be within reach of a keyboard */}
      <ol aria-label="Changes, newest first" tabIndex={0}>
        {entries.map(entry => (
          <li key={entry.number}>
            <Line entry={entry} format={format} />
          </li>
        ))}
      </ol>
    </section>
  )
}

interface LineProps {
  readonly entry: Entry
  readonly format: Times
}

/** Drawn once: what has happened does not change. */
class Line extends Component<LineProps> {
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
