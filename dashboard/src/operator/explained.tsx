import type { VNode } from 'preact'
import type { TimeFormat } from '../model/time-format.ts'
import { Line } from '../view/line.tsx'
import { Status } from '../view/status.tsx'
import type { Explanation, Session } from './api.ts'
import { reasonText } from './words.ts'

interface ExplainedProps {
  readonly explanation: Explanation
  /** When it came, in ms since the epoch: all relative times are from then. */
  readonly at: number
  readonly format: TimeFormat
  /** Asks to end a session. */
  readonly endSession: (sessionId: string) => void
}

/** Why a user shows as they do, and their sessions. */
export function Explained({ explanation, at, format, endSession }: ExplainedProps): VNode {
  const {
    shown,
    reason,
    hidden,
    graces,
    choice,
    choiceKeptUntil,
    delayed,
    sessions,
    incomplete = [],
  } = explanation
  const time = (text: string): string => format.full(Date.parse(text))
  return (
    <>
      <p class="reason">{reasonText(reason)}</p>
      <dl>
        <Line label="Others see">
          <Status status={shown.status} />
          {hidden && <mark>hidden</mark>}
        </Line>
        <Line label="Chosen">
          <Status status={choice.status} />
          {choice.text && <span>{choice.text}</span>}
          {choice.expiresAt && <small>until {time(choice.expiresAt)}</small>}
          {choice.chosenAt && <small>chosen {format.ago(Date.parse(choice.chosenAt), at)}</small>}
        </Line>
        {choiceKeptUntil && <Line label="Kept until">{time(choiceKeptUntil)}</Line>}
        {delayed && (
          <Line label="Delayed">
            <Status status={delayed.status} />
            <small>until {time(delayed.until)}</small>
          </Line>
        )}
        {graces.map(({ sessionId, endsAt }, index) => (
          <Line key={sessionId ?? index} label="Grace">
            <span>ends {time(endsAt)}</span>
            {sessionId && (
              <small>
                <bdi>{sessionId}</bdi>
              </small>
            )}
          </Line>
        ))}
      </dl>
      {incomplete.length > 0 && (
        <p class="message" data-problem="true">
          Not complete: there was no answer from <bdi>{incomplete.join(', ')}</bdi>.
        </p>
      )}
      <h4>{sessions.length === 0 ? 'No sessions' : `Sessions (${sessions.length.toLocaleString()})`}</h4>
      {sessions.length > 0 && (
        <ul class="sessions" aria-label="Sessions">
          {sessions.map(session => (
            <li key={`${session.node} ${session.sessionId}`}>
              <SessionLine session={session} at={at} format={format} />
              <button
                type="button"
                aria-label={`End the session ${session.sessionId}`}
                onClick={() => endSession(session.sessionId)}
              >
                End…
              </button>
            </li>
          ))}
        </ul>
      )}
    </>
  )
}

function SessionLine({
  session,
  at,
  format,
}: Pick<ExplainedProps, 'at' | 'format'> & { readonly session: Session }): VNode {
  const { sessionId, kind, device, node, connectedAt, lastAliveAt, active, visible, leaseEndsAt } = session
  const ago = (text: string): string => format.ago(Date.parse(text), at)
  return (
    <div>
      <p>
        <b>
          <bdi>{device ?? (kind === 'lease' ? 'Leased' : 'Connection')}</bdi>
        </b>{' '}
        {active ? 'active' : 'idle'}, {visible ? 'visible' : 'not visible'}{' '}
        <small title={sessionId}>on {node}</small>
      </p>
      <small>
        {kind === 'lease' ? 'leased' : 'connected'} {ago(connectedAt)}, alive {ago(lastAliveAt)}
        {leaseEndsAt && `, ends ${format.second(Date.parse(leaseEndsAt))}`}
      </small>
    </div>
  )
}
