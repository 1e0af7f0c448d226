import type { Status as StatusName } from '@who-is-online/client'
import type { VNode } from 'preact'
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks'
import './operator.css'
import type { TimeFormat } from '../model/time-format.ts'
import { createApi, type Send } from './api.ts'
import { Dialog } from './dialog.tsx'
import { Explained } from './explained.tsx'
import { type Change, type Operator, type OperatorOptions, operatorOf } from './model.ts'

// What the page loads when somebody first uses a button of "Explain and change": most viewers never do.

/** What the panel says about the user whom it shows. */
interface Shown {
  readonly format: TimeFormat
  readonly userId: string
  /** The name of the user, or the id. */
  readonly name: string
}

/** What is loaded: what an operator can do, and the part of the panel below its buttons. */
export interface LoadedOperator {
  readonly operator: Operator
  draw(shown: Shown): VNode
}

/** Makes the operator, which sends its requests with `send`. */
export function makeOperator(
  options: Omit<OperatorOptions, 'api'> & { readonly send: Send },
): LoadedOperator {
  const operator = operatorOf({ ...options, api: createApi(options.send) })
  return { operator, draw: shown => <Details {...shown} operator={operator} /> }
}

/** Why the user shows as they do, and what the person must enter or confirm. */
function Details({ operator, format, userId, name }: Shown & { readonly operator: Operator }): VNode {
  const { needsKey, hasKey, waiting, unconfirmed, message, explanation, explainedAt } = operator.view.value
  // Before the next frame, which must not show what is known of another user.
  useLayoutEffect(() => {
    operator.show(userId)
    return operator.cancel
  }, [operator, userId])

  const isLocked = needsKey && (waiting !== undefined || message !== undefined)
  return (
    <>
      {isLocked && <KeyForm onKey={key => void operator.useKey(key)} />}
      {explanation && (
        <Explained
          explanation={explanation}
          at={explainedAt}
          format={format}
          endSession={sessionId => operator.begin(userId, { what: 'session', sessionId })}
        />
      )}
      {hasKey && (
        <p class="key">
          The page has a write key, until it is closed or reloaded.{' '}
          <button type="button" class="link" onClick={operator.forgetKey}>
            Forget it
          </button>
        </p>
      )}
      {unconfirmed && (
        <Confirm change={unconfirmed} operator={operator} name={name} onClose={operator.cancel} />
      )}
    </>
  )
}

function KeyForm({ onKey }: { readonly onKey: (key: string) => void }): VNode {
  const field = useRef<HTMLInputElement>(null)
  useEffect(() => field.current?.focus(), [])
  return (
    <form
      class="key-form"
      autocomplete="off"
      onSubmit={event => {
        event.preventDefault()
        const key = String(new FormData(event.currentTarget).get('key'))
        // A wrong key must not stay in the document.
        event.currentTarget.reset()
        onKey(key)
      }}
    >
      <label>
        Write key
        <input type="password" name="key" required autocomplete="off" spellcheck={false} ref={field} />
      </label>
      <button type="submit">Use the key</button>
      <small>
        A <code>write</code> key of <code>API_KEYS</code>. The page keeps it in memory only.
      </small>
    </form>
  )
}

interface ConfirmProps {
  readonly change: Change
  readonly operator: Operator
  readonly name: string
  readonly onClose: () => void
}

function Confirm({ change, operator, name, onClose }: ConfirmProps): VNode {
  const who = <bdi>{name}</bdi>
  switch (change.what) {
    case 'status':
      return (
        <Dialog
          title="Set the status"
          action="Set the status"
          onClose={onClose}
          onConfirm={fields => {
            const forMs = Number(fields.get('for')) || undefined
            void operator.setStatus(fields.get('status') as StatusName, String(fields.get('text')), forMs)
          }}
        >
          <p>
            Others see {who} with this status, as if the user had chosen it. The devices of the user are told.
          </p>
          <StatusFields />
        </Dialog>
      )
    case 'session':
      return (
        <Dialog
          title="End this session?"
          action="End the session"
          onClose={onClose}
          onConfirm={() => void operator.endSession(change.sessionId)}
        >
          <p>
            The session <code>{change.sessionId}</code> of {who} ends, and its connection is closed. The user
            may come back.
          </p>
        </Dialog>
      )
    case 'all':
      return (
        <Dialog
          title="End all sessions?"
          action="End all sessions"
          onClose={onClose}
          onConfirm={() => void operator.endSessions()}
        >
          <p>
            All sessions of {who} end, and all connections are closed. The user goes offline, and may come
            back.
          </p>
        </Dialog>
      )
  }
}

const STATUSES: readonly (readonly [StatusName, string])[] = [
  ['online', 'Online'],
  ['away', 'Away'],
  ['busy', 'Busy'],
  ['offline', 'Appear offline'],
]

const MINUTE_MS = 60_000

/** After how long a status ends. */
const ENDS: readonly (readonly [forMs: number | '', label: string])[] = [
  ['', 'Never'],
  [15 * MINUTE_MS, 'In 15 minutes'],
  [60 * MINUTE_MS, 'In 1 hour'],
  [4 * 60 * MINUTE_MS, 'In 4 hours'],
  [8 * 60 * MINUTE_MS, 'In 8 hours'],
  [24 * 60 * MINUTE_MS, 'In 24 hours'],
]

function StatusFields(): VNode {
  return (
    <div class="fields">
      <label>
        Status
        <select name="status">
          {STATUSES.map(([status, label]) => (
            <option key={status} value={status}>
              {label}
            </option>
          ))}
        </select>
      </label>
      <label>
        Ends
        <select name="for">
          {ENDS.map(([forMs, label]) => (
            <option key={label} value={forMs}>
              {label}
            </option>
          ))}
        </select>
      </label>
      <label class="wide">
        Text
        <input name="text" maxLength={128} placeholder="optional" />
      </label>
    </div>
  )
}
