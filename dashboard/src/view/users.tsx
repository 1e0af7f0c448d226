import { useComputed, useSignal } from '@preact/signals'
import type { VNode } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import { isUpToDate, type ListView, type Live } from '../model/live.ts'
import type { TimeFormat } from '../model/time-format.ts'
import { UserRow } from './user-row.tsx'
import { windowOf } from './window.ts'

/** Height of a row in rem, the same as in style.css: it gives the rows that are not drawn their space. */
const ROW_REM = 3.75

interface UsersProps {
  readonly live: Live
  readonly format: TimeFormat
}

/** All users: their number, the search, and the list. */
export function Users({ live, format }: UsersProps): VNode {
  return (
    <section class="users" aria-label="Users">
      <div class="bar">
        <h2 id="users-title">
          <Count live={live} />
        </h2>
        <Search live={live} />
      </div>
      <List live={live} format={format} />
    </section>
  )
}

function Count({ live }: { readonly live: Live }): VNode {
  const online = useComputed(() => live.list.value.online.toLocaleString())
  const total = useComputed(() => live.list.value.total.toLocaleString())
  const were = useComputed(() => (isUpToDate(live.trust.value) ? '' : 'were '))
  return (
    <>
      <b>{online}</b> {were}online <small>of {total} listed</small>
    </>
  )
}

function Search({ live }: { readonly live: Live }): VNode {
  const found = useComputed(() => {
    const { filter, rows } = live.list.value
    return filter.text.trim() === '' ? '' : `${rows.length.toLocaleString()} found`
  })
  const search = (event: Event & { readonly currentTarget: HTMLFormElement }): void => {
    event.preventDefault()
    const fields = new FormData(event.currentTarget)
    live.setFilter({ text: String(fields.get('text')), onlyOnline: fields.has('only-online') })
  }
  return (
    <search>
      <form onInput={search} onSubmit={search} autocomplete="off">
        <input
          type="search"
          name="text"
          aria-label="Search users"
          placeholder="Search users"
          spellcheck={false}
          aria-describedby="found"
        />
        <label>
          <input type="checkbox" name="only-online" /> Only online users
        </label>
        <span id="found">{found}</span>
      </form>
    </search>
  )
}

/**
 * The list. Of thousands of rows only the visible ones are in the page; each has its position for screen
 * readers.
 */
function List({ live, format }: UsersProps): VNode {
  const viewport = useRef<HTMLElement>(null)
  const rowHeight = useSignal(ROW_REM * 16)
  const height = useSignal(600)
  const top = useSignal(0)
  // Computed, so that scrolling within a row draws nothing.
  const visible = useComputed(() => {
    const { from, to } = windowOf(top.value, height.value, rowHeight.value, live.list.value.rows.length)
    return from * MAX_ROWS + to
  })

  useEffect(() => {
    const element = viewport.current
    if (!element) return
    const measure = (): void => {
      const rem = Number.parseFloat(getComputedStyle(document.documentElement).fontSize)
      rowHeight.value = ROW_REM * rem
      height.value = element.clientHeight
    }
    const sizes = new ResizeObserver(measure)
    sizes.observe(element)
    return () => sizes.disconnect()
  }, [rowHeight, height])

  const { rows } = live.list.value
  const from = Math.floor(visible.value / MAX_ROWS)
  const to = visible.value % MAX_ROWS
  const scrolled = (event: Event & { readonly currentTarget: HTMLElement }): void => {
    top.value = event.currentTarget.scrollTop
  }
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be within reach of a keyboard
    <section class="viewport" ref={viewport} onScroll={scrolled} tabIndex={0} aria-label="List of users">
      {rows.length === 0 && <p class="empty">{emptyText(live, live.list.value)}</p>}
      <ul
        aria-label="Users"
        style={{ height: `${rows.length * rowHeight.value}px`, paddingTop: `${from * rowHeight.value}px` }}
      >
        {rows.slice(from, to).map((row, index) => (
          <li
            key={row.userId}
            data-user={row.userId}
            data-online={row.status !== 'offline'}
            aria-setsize={rows.length}
            aria-posinset={from + index + 1}
          >
            <UserRow row={row} now={live.now} format={format} />
          </li>
        ))}
      </ul>
    </section>
  )
}

/** Larger than any list: two indices are kept in one number, so that a signal can compare them. */
const MAX_ROWS = 2 ** 26

/** Why the list is empty. */
function emptyText(live: Live, { total, filter }: ListView): string {
  const { state } = live.trust.value
  if (state === 'connecting' || state === 'failing') return ''
  if (total === 0) return 'No users yet. Connect as a user, in this tab or in another one.'
  return filter.text.trim() === '' ? 'No user is online.' : 'No user matches the search.'
}
