import { useComputed, useSignal, useSignalEffect } from '@preact/signals'
import type { ComponentChildren, VNode } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import { copied, copyText } from '../copy.ts'
import type { ListView, Live } from '../model/live.ts'
import type { Selection } from '../model/selection.ts'
import type { TimeFormat } from '../model/time-format.ts'
import { ColumnHeads } from './column-heads.tsx'
import { listAction } from './list-keys.ts'
import { UserRow } from './user-row.tsx'
import { rowIntoView, windowOf } from './window.ts'

/** Height of a row in rem at desktop width. Style.css has it as `--row`, and another one for narrow lists. */
const ROW_REM = 2.375

/** More rows than this have a scroller of their own on a narrow page. Fewer are a part of the page. */
const MAX_FLOWING = 50

/** The id of the list, so that the search can move the focus to it. */
export const LIST_ID = 'list'

interface ListProps {
  readonly live: Live
  readonly selected: Selection
  readonly format: TimeFormat
  /** What to do on a server without users. */
  readonly hint: ComponentChildren
}

/**
 * The list. Of thousands of rows only the visible ones are in the page; each has its position for screen
 * readers. The list has the focus as a whole, and the arrow keys move between its rows.
 */
export function List({ live, selected, format, hint }: ListProps): VNode {
  const viewport = useRef<HTMLDivElement>(null)
  const rowHeight = useSignal(ROW_REM * 16)
  const height = useSignal(600)
  const top = useSignal(0)
  // Computed, so that scrolling within a row draws nothing.
  const visible = useComputed(() => {
    const { from, to } = windowOf(top.value, height.value, rowHeight.value, live.list.value.rows.length)
    return from * MAX_ROWS + to
  })
  const shown = useComputed(() => {
    const { filter, order } = live.list.value
    return `${order.by} ${order.isReversed} ${filter.status} ${filter.text}`
  })

  useEffect(() => {
    const element = viewport.current
    if (!element) return
    const measure = (): void => {
      const rem = Number.parseFloat(getComputedStyle(document.documentElement).fontSize)
      const rows = Number.parseFloat(getComputedStyle(element).getPropertyValue('--row')) || ROW_REM
      rowHeight.value = rows * rem
      height.value = element.clientHeight - headHeight(element)
    }
    const sizes = new ResizeObserver(measure)
    sizes.observe(element)
    return () => sizes.disconnect()
  }, [rowHeight, height])

  // Another filter or order shows other users: begin at the first one.
  useSignalEffect(() => {
    if (shown.value !== '') viewport.current?.scrollTo({ top: 0 })
  })

  const { rows, isKnown } = live.list.value
  const from = Math.floor(visible.value / MAX_ROWS)
  const to = visible.value % MAX_ROWS
  const cursor = selected.cursor.value
  const cursorIndex = cursor === undefined ? -1 : live.indexOf(cursor)
  const isCursorDrawn = cursorIndex >= from && cursorIndex < to

  const scrolled = (event: Event & { readonly currentTarget: HTMLElement }): void => {
    top.value = event.currentTarget.scrollTop
  }
  const pressed = (event: KeyboardEvent): void => {
    const list = viewport.current
    if (!list || event.target !== list) return
    const action = listAction(event, Math.max(1, Math.floor(height.value / rowHeight.value) - 1))
    if (!action) return
    event.preventDefault()
    if (action.kind === 'move') {
      const index = selected.moveBy(action.rows)
      list.scrollTop = rowIntoView(index, list.scrollTop, height.value, rowHeight.value)
      // Where the list has no scroller of its own, the page scrolls.
      if (!isLong(rows.length)) document.getElementById(`row-${index}`)?.scrollIntoView({ block: 'nearest' })
    } else if (action.kind === 'open') selected.open()
    else if (action.kind === 'close') selected.close()
    else if (selected.cursor.value !== undefined) copyText(selected.cursor.value)
  }
  const clicked = (event: MouseEvent): void => {
    const target = event.target as Element
    const userId = target.closest<HTMLElement>('[data-user]')?.dataset['user']
    if (userId === undefined) return
    if (target.closest('[data-copy]')) copyText(userId)
    // A selection of text ends with a click too.
    else if (getSelection()?.isCollapsed !== false) selected.open(userId)
  }
  return (
    <div class="list">
      <div
        class="viewport"
        data-long={isLong(rows.length)}
        id={LIST_ID}
        role="grid"
        ref={viewport}
        tabIndex={0}
        aria-label="List of users"
        aria-rowcount={rows.length + 1}
        aria-activedescendant={isCursorDrawn ? `row-${cursorIndex}` : undefined}
        onScroll={scrolled}
        onKeyDown={pressed}
        onClick={clicked}
      >
        <ColumnHeads live={live} />
        {!isKnown && <Skeleton />}
        {isKnown && rows.length === 0 && (
          <div role="row">
            <div class="empty" role="gridcell">
              {emptyText(live.list.value, hint)}
            </div>
          </div>
        )}
        <div
          class="rows"
          role="rowgroup"
          style={{ height: `${rows.length * rowHeight.value}px`, paddingTop: `${from * rowHeight.value}px` }}
        >
          {isKnown &&
            rows.slice(from, to).map((row, index) => (
              <div
                key={row.userId}
                id={`row-${from + index}`}
                class="row"
                role="row"
                data-user={row.userId}
                data-online={row.status !== 'offline'}
                data-cursor={row.userId === cursor}
                data-copied={row.userId === copied.value}
                aria-selected={row.userId === selected.opened.value}
                aria-rowindex={from + index + 2}
              >
                <UserRow row={row} now={live.now} format={format} />
              </div>
            ))}
        </div>
      </div>
    </div>
  )
}

function isLong(count: number): boolean {
  return count > MAX_FLOWING
}

/** Larger than any list: two indices are kept in one number, so that a signal can compare them. */
const MAX_ROWS = 2 ** 26

/** The height of the column headings, which stay at the top. */
function headHeight(viewport: HTMLElement): number {
  return viewport.querySelector<HTMLElement>('.heads')?.offsetHeight ?? 0
}

/** Rows without content, until the first state has arrived. */
function Skeleton(): VNode {
  return (
    <div class="skeleton" aria-hidden="true">
      {Array.from({ length: 12 }, (_, index) => (
        <i key={index} />
      ))}
    </div>
  )
}

/** Why the list is empty. */
function emptyText(
  { total, filter: { text, status } }: ListView,
  hint: ComponentChildren,
): ComponentChildren {
  if (total === 0) return hint
  if (text.trim() === '') return status === undefined ? hint : `No user is ${status}.`
  return status === undefined ? 'No user matches the search.' : `No user who is ${status} matches the search.`
}
