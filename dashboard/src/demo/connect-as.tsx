import type { Status } from '@who-is-online/client'
import type { VNode } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import { consoleLine } from './console-line.ts'
import { nameProblem, type OwnUser, type OwnUserModel } from './own-user.ts'

/** The statuses with their labels. */
const CHOICES: readonly (readonly [Status, string])[] = [
  ['online', 'Online'],
  ['away', 'Away'],
  ['busy', 'Busy'],
  ['offline', 'Appear offline'],
]

type FormEvent = Event & { readonly currentTarget: HTMLFormElement }

/** The form that connects a user of this tab, or changes its status. */
export function ConnectAs({ own }: { readonly own: OwnUserModel }): VNode {
  const user = own.user.value
  const section = useRef<HTMLElement>(null)
  const drawn = useRef(user.state)
  const { state } = user

  // The focused button is gone when the form changes. Without this the focus would go to the top of the page.
  useEffect(() => {
    if (drawn.current !== state) section.current?.focus({ preventScroll: true })
    drawn.current = state
  }, [state])

  return (
    <section class="connect" id="connect" popover="auto" aria-label="Connect as" ref={section} tabIndex={-1}>
      <h2>Connect as a user</h2>
      {user.state === 'out' ? <ConnectForm own={own} /> : <StatusForm own={own} user={user} />}
      <p class="problem" role="alert">
        {own.problem}
      </p>
      <p>
        To connect without this page, paste this into the browser’s console (F12): <code>{consoleLine}</code>{' '}
        Then <code>{'ws.send(\'{"type":"get_all_users"}\')'}</code> lists all users. Only a server for
        development shows this.
      </p>
    </section>
  )
}

function ConnectForm({ own }: { readonly own: OwnUserModel }): VNode {
  const connect = (event: FormEvent): void => {
    event.preventDefault()
    const fields = new FormData(event.currentTarget)
    const userId = String(fields.get('user-id')).trim()
    if (userId === '') return
    const username = String(fields.get('username')).trim() || undefined
    own.connect({ userId, username }, fields.get('status') as Status)
  }
  return (
    <form onSubmit={connect} autocomplete="off">
      <label>
        User id
        <input
          name="user-id"
          required
          placeholder="ann"
          spellcheck={false}
          autocapitalize="none"
          onInput={validate}
        />
      </label>
      <label>
        Name
        <input name="username" placeholder="optional" spellcheck={false} onInput={validate} />
      </label>
      <StatusField chosen="online" />
      <button type="submit">Connect</button>
    </form>
  )
}

function StatusForm({
  own,
  user,
}: {
  readonly own: OwnUserModel
  readonly user: Extract<OwnUser, { state: 'in' }>
}): VNode {
  const change = (event: FormEvent): void => {
    const fields = new FormData(event.currentTarget)
    own.setStatus(fields.get('status') as Status, String(fields.get('text')))
  }
  const { userId, username } = user.identity
  return (
    // Enter in a field causes a change event before the submit event, so submitting does nothing more.
    <form onSubmit={event => event.preventDefault()} onChange={change} autocomplete="off">
      <p>
        {user.connection === 'open' ? 'Connected as' : 'Connecting as'} <b>{username ?? userId}</b>
        {username !== undefined && <small> {userId}</small>}. Open this page in a second tab and connect as
        another user.
      </p>
      <StatusField chosen={user.status} />
      <TextField text={user.text ?? ''} />
      <button type="button" onClick={own.disconnect}>
        Leave
      </button>
    </form>
  )
}

/**
 * The text field. It is set only when the text in force changes, so that it does not overwrite what the user
 * types.
 */
function TextField({ text }: { readonly text: string }): VNode {
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

function StatusField({ chosen }: { readonly chosen: Status }): VNode {
  return (
    <label>
      Status
      <select name="status" value={chosen}>
        {CHOICES.map(([status, label]) => (
          <option key={status} value={status} selected={status === chosen}>
            {label}
          </option>
        ))}
      </select>
    </label>
  )
}

function validate({ currentTarget: field }: Event & { readonly currentTarget: HTMLInputElement }): void {
  field.setCustomValidity(nameProblem(field.value) ?? '')
}
