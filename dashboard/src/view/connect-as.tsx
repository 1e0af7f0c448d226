import type { Status as Word } from '@who-is-online/client'
import type { VNode } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import { type Me, type Myself, problemOfName } from '../model/me.ts'

/** The statuses in the words of somebody who chooses one. */
const CHOICES: readonly (readonly [Word, string])[] = [
  ['online', 'Online'],
  ['away', 'Away'],
  ['busy', 'Busy'],
  ['offline', 'Appear offline'],
]

type FormEvent = Event & { readonly currentTarget: HTMLFormElement }

/** Makes somebody of who sits here: in two tabs, each sees the other come. */
export function ConnectAs({ myself }: { readonly myself: Myself }): VNode {
  const me = myself.me.value
  const section = useRef<HTMLElement>(null)
  const drawn = useRef(me.state)
  const { state } = me

  // The button that was pressed is no more: whoever goes by keyboard or ear should not be sent back to the top.
  useEffect(() => {
    if (drawn.current !== state) section.current?.focus({ preventScroll: true })
    drawn.current = state
  }, [state])

  return (
    <section class="connect" aria-label="Connect as" ref={section} tabIndex={-1}>
      <h2>Connect as…</h2>
      {me.state === 'out' ? <Enter myself={myself} /> : <Inside myself={myself} me={me} />}
      <p class="problem" role="alert">
        {myself.problem}
      </p>
    </section>
  )
}

function Enter({ myself }: { readonly myself: Myself }): VNode {
  const enter = (event: FormEvent): void => {
    event.preventDefault()
    const fields = new FormData(event.currentTarget)
    const userId = String(fields.get('user-id')).trim()
    if (userId === '') return
    const username = String(fields.get('username')).trim() || undefined
    myself.connect({ userId, username }, fields.get('status') as Word)
  }
  return (
    <form onSubmit={enter} autocomplete="off">
      <label>
        User id
        <input
          name="user-id"
          required
          placeholder="ann"
          spellcheck={false}
          autocapitalize="none"
          onInput={judge}
        />
      </label>
      <label>
        Name
        <input name="username" placeholder="not needed" spellcheck={false} onInput={judge} />
      </label>
      <Choice chosen="online" />
      <button type="submit">Connect</button>
    </form>
  )
}

function Inside({
  myself,
  me,
}: {
  readonly myself: Myself
  readonly me: Extract<Me, { state: 'in' }>
}): VNode {
  const choose = (event: FormEvent): void => {
    const fields = new FormData(event.currentTarget)
    myself.choose(fields.get('status') as Word, String(fields.get('text')))
  }
  const { userId, username } = me.name
  const isThere = me.connection === 'open'
  return (
    // Enter in a field is a change too, and comes as one before it comes as this.
    <form onSubmit={event => event.preventDefault()} onChange={choose} autocomplete="off">
      <p>
        {isThere ? 'Here as' : 'Connecting as'} <b>{username ?? userId}</b>
        {username !== undefined && <small> {userId}</small>}. Open this page in a second tab and connect as
        somebody else.
      </p>
      <Choice chosen={me.status} />
      <Said text={me.text ?? ''} />
      <button type="button" onClick={myself.leave}>
        Leave
      </button>
    </form>
  )
}

/** The field is the typist's: it is written to only when the text itself is another now. */
function Said({ text }: { readonly text: string }): VNode {
  const field = useRef<HTMLInputElement>(null)
  useEffect(() => {
    if (field.current) field.current.value = text
  }, [text])
  return (
    <label>
      Text
      <input name="text" maxLength={128} placeholder="in a call" ref={field} />
    </label>
  )
}

function Choice({ chosen }: { readonly chosen: Word }): VNode {
  return (
    <label>
      Status
      <select name="status" value={chosen}>
        {CHOICES.map(([status, words]) => (
          <option key={status} value={status} selected={status === chosen}>
            {words}
          </option>
        ))}
      </select>
    </label>
  )
}

function judge({ currentTarget: field }: Event & { readonly currentTarget: HTMLInputElement }): void {
  field.setCustomValidity(problemOfName(field.value) ?? '')
}
