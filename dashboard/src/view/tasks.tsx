import type { VNode } from 'preact'
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks'
import type { OnDemand } from '../model/on-demand.ts'
import type { TimeFormat } from '../model/time-format.ts'
import type { Task } from '../operator/model.ts'
import type { LoadedOperator } from '../operator/operator.tsx'

interface TasksProps {
  /** What carries out the tasks. It is loaded with the first of them. */
  readonly operator: OnDemand<LoadedOperator>
  readonly format: TimeFormat
  readonly userId: string
  /** The name of the user, or the id. */
  readonly name: string
}

const BUTTONS: readonly (readonly [label: string, task: Task])[] = [
  ['Why this status?', 'explain'],
  ['Set status…', { what: 'status' }],
  ['End sessions…', { what: 'all' }],
]

const FAILED =
  'The page could not load this part: reload the page, because the server may have another version now.'

/** The part of the panel that says why a user shows as they do, and that sets a status and ends sessions. */
export function Tasks({ operator, format, userId, name }: TasksProps): VNode {
  const section = useRef<HTMLElement>(null)
  const state = operator.state.value
  const loaded = operator.part.value
  const view = loaded?.operator.view.value
  const message = state === 'failed' ? { isProblem: true, text: FAILED } : view?.message

  // The panel may be closed, or show another user, when the operator is loaded.
  const shown = useRef<string | undefined>(undefined)
  useLayoutEffect(() => {
    shown.current = userId
    return () => {
      shown.current = undefined
    }
  }, [userId])
  const begin = async (task: Task): Promise<void> => {
    const { operator: ready } = loaded ?? (await operator.load()) ?? {}
    if (shown.current === userId) ready?.begin(userId, task)
  }

  // A button that had the focus may be gone, for example with its session. The focus must stay in the panel.
  const hadFocus = useRef(false)
  useEffect(() => {
    if (hadFocus.current && document.activeElement === document.body) {
      section.current?.focus({ preventScroll: true })
    }
  })

  return (
    <section
      class="operator"
      aria-label="Explain and change"
      aria-busy={state === 'loading' || (view?.isBusy ?? false)}
      ref={section}
      tabIndex={-1}
      onFocusCapture={() => {
        hadFocus.current = true
      }}
    >
      <h3>Explain and change</h3>
      <div class="tasks">
        {BUTTONS.map(([label, task]) => (
          <button key={label} type="button" onClick={() => void begin(task)}>
            {label}
          </button>
        ))}
      </div>
      <p class="message" role="alert" data-problem={message?.isProblem ?? false}>
        {message?.text}
      </p>
      {loaded?.draw({ format, userId, name })}
    </section>
  )
}
