import { useComputed, useSignal } from '@preact/signals'
import type { VNode } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import { isUpToDate, type Live } from '../model/live.ts'
import type { Times } from '../model/times.ts'
import { Person } from './person.tsx'
import { windowOf } from './window.ts'

/** Height of a line, in rem, as the style sheet has it: lines that are not drawn take as much room as those that are. */
const ROW_REM = 3.75

interface PeopleProps {
  readonly live: Live
  readonly format: Times
}

/** Everybody: how many, who of them is looked for, and the list. */
export function People({ live, format }: PeopleProps): VNode {
  return (
    <section class="people" aria-label="People">
      <div class="bar">
        <h2 id="people-title">
          <Counted live={live} />
        </h2>
        <Search live={live} />
      </div>
      <List live={live} format={format} />
    </section>
  )
}

function Counted({ live }: { readonly live: Live }): VNode {
  const here = useComputed(() => live.list.value.here.toLocaleString())
  const known = useComputed(() => live.list.value.known.toLocaleString())
  const are = useComputed(() => (isUpToDate(live.trust.value) ? '' : 'were '))
  return (
    <>
      <b>{here}</b> {are}online <small>of {known} listed</small>
    </>
  )
}

function Search({ live }: { readonly live: Live }): VNode {
  const found = useComputed(() => {
    const { filter, rows } = live.list.value
    return filter.text.trim() === '' ? '' : `${rows.length.toLocaleString()} found`
  })
  const find = (event: Event & { readonly currentTarget: HTMLFormElement }): void => {
    event.preventDefault()
    const fields = new FormData(event.currentTarget)
    live.find({ text: String(fields.get('text')), onlyHere: fields.has('only-here') })
  }
  return (
    <search>
      <form onInput={find} onSubmit={find} autocomplete="off">
        <input
          type="search"
          name="text"
          aria-label="Search users"
          placeholder="Search users"
          spellcheck={false}
          aria-describedby="found"
        />
        <label>
          <input type="checkbox" name="only-here" /> Only who is online
        </label>
        <span id="found">{found}</span>
      </form>
    </search>
  )
}

/** The list. Of thousands only those are in the page that can be seen; each says which of how many it is. */
function List({ live, format }: PeopleProps): VNode {
  const viewport = useRef<HTMLElement>(null)
  const rowHeight = useSignal(ROW_REM * 16)
  const height = useSignal(600)
  const top = useSignal(0)
  // Scrolling within a line draws nothing.
  const seen = useComputed(() => {
    const { from, to } = windowOf(top.value, height.value, rowHeight.value, live.list.value.rows.length)
    return from * SPAN + to
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

  const { rows, known, filter } = live.list.value
  const from = Math.floor(seen.value / SPAN)
  const to = seen.value % SPAN
  const scrolled = (event: Event & { readonly currentTarget: HTMLElement }): void => {
    top.value = event.currentTarget.scrollTop
  }
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be within reach of a keyboard
    <section class="viewport" ref={viewport} onScroll={scrolled} tabIndex={0} aria-label="List of users">
      {rows.length === 0 && <p class="nobody">{nobody(live, known, filter.text)}</p>}
      <ul
        aria-label="Users"
        style={{ height: `${rows.length * rowHeight.value}px`, paddingTop: `${from * rowHeight.value}px` }}
      >
        {rows.slice(from, to).map((row, index) => (
          <li
            key={row.userId}
            data-user={row.userId}
            data-here={row.status !== 'offline'}
            aria-setsize={rows.length}
            aria-posinset={from + index + 1}
          >
            <Person row={row} now={live.now} format={format} />
          </li>
        ))}
      </ul>
    </section>
  )
}

/** Two numbers in one, so that a signal can tell whether both are the same. */
const SPAN = 2 ** 26

function nobody(live: Live, known: number, text: string): string {
  const { state } = live.trust.value
  if (state === 'connecting' || state === 'failing') return ''
  if (known === 0) return 'Nobody was here yet. Connect as somebody, here or in another tab.'
  return text.trim() === '' ? 'Nobody is online.' : 'Nobody is called so.'
}
