import type { Status as StatusName } from '@who-is-online/client'
import type { VNode } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import './operator.css'
import type { TimeFormat } from '../model/time-format.ts'
import { Dialog } from './dialog.tsx'
import { Explained } from './explained.tsx'
import type { Operator } from './model.ts'

interface OperatorProps {
  readonly operator: Operator
  readonly format: TimeFormat
  readonly userId: string
  /** The name of the user, or the id. */
  readonly name: string
}

/** What to confirm: the status, one session, or all sessions. */
type Asked = { readonly what: 'status' | 'all' } | { readonly what: 'session'; readonly sessionId: string }

/** The part of the panel that says why a user shows as they do, and that sets a status and ends sessions. */
export function OperatorPart({ operator, format, userId, name }: OperatorProps): VNode {
  const section = useRef<HTMLElement>(null)
  const [asked, setAsked] = useState<Asked>()
  /** What to do when there is a key. */
  const [waiting, setWaiting] = useState<Asked | 'explain'>()
  const { needsKey, hasKey, isBusy, message, explanation, explainedAt } = operator.view.value

  useEffect(() => {
    operator.show(userId)
    setAsked(undefined)
    setWaiting(undefined)
  }, [operator, userId])

  // A button that had the focus may be gone, for example with its session. The focus must stay in the panel.
  const hadFocus = useRef(false)
  useEffect(() => {
    if (hadFocus.current && document.activeElement === document.body) {
      section.current?.focus({ preventScroll: true })
    }
  })

  const begin = (next: Asked | 'explain'): void => {
    if (needsKey) setWaiting(next)
    else if (next === 'explain') void operator.explain()
    else setAsked(next)
  }
  const useKey = async (key: string): Promise<void> => {
    await operator.useKey(key)
    if (operator.view.value.needsKey) return
    if (waiting !== 'explain') setAsked(waiting)
    setWaiting(undefined)
  }
  const isLocked = needsKey && (waiting !== undefined || message !== undefined)
  return (
    <section
      class="operator"
      aria-label="Explain and change"
      aria-busy={isBusy}
      ref={section}
      tabIndex={-1}
      onFocusCapture={() => {
        hadFocus.current = true
      }}
    >
      <h3>Explain and change</h3>
      <div class="tasks">
        <button type="button" onClick={() => begin('explain')}>
          Why this status?
        </button>
        <button type="button" onClick={() => begin({ what: 'status' })}>
          Set status…
        </button>
        <button type="button" onClick={() => begin({ what: 'all' })}>
          End sessions…
        </button>
      </div>
      <p class="message" role="alert" data-problem={message?.isProblem ?? false}>
        {message?.text}
      </p>
      {isLocked && <KeyForm onKey={key => void useKey(key)} />}
      {explanation && (
        <Explained
          explanation={explanation}
          at={explainedAt}
          format={format}
          endSession={sessionId => begin({ what: 'session', sessionId })}
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
      {asked && <Confirm asked={asked} operator={operator} name={name} onClose={() => setAsked(undefined)} />}
    </section>
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
  readonly asked: Asked
  readonly operator: Operator
  readonly name: string
  readonly onClose: () => void
}

function Confirm({ asked, operator, name, onClose }: ConfirmProps): VNode {
  const who = <bdi>{name}</bdi>
  switch (asked.what) {
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
          onConfirm={() => void operator.endSession(asked.sessionId)}
        >
          <p>
            The session <code>{asked.sessionId}</code> of {who} ends, and its connection is closed. The user
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
