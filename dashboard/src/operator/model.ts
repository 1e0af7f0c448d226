import { type ReadonlySignal, signal } from '@preact/signals'
import type { Status } from '@who-is-online/client'
import type { Answer, Api, Explanation, Refused } from './api.ts'

/** What needs a confirmation: to set the status, to end one session, or to end all. */
export type Change =
  | { readonly what: 'status' | 'all' }
  | { readonly what: 'session'; readonly sessionId: string }

/** What a button begins. */
export type Task = 'explain' | Change

/** What the page shows of the user in the panel, and of what was done. */
export interface OperatorView {
  /** The user in the panel. */
  readonly userId: string | undefined
  /** Why the user shows as they do; `undefined` until somebody asks. */
  readonly explanation: Explanation | undefined
  /** When the explanation came, in ms since the epoch. */
  readonly explainedAt: number
  /** Whether a key must be entered before anything can be done. */
  readonly needsKey: boolean
  /** Whether a key was entered, which can be forgotten. */
  readonly hasKey: boolean
  /** What to do when there is a key. */
  readonly waiting: Task | undefined
  /** What the person is asked to confirm. */
  readonly unconfirmed: Change | undefined
  readonly isBusy: boolean
  /** What the last request has done, or why it was not done. */
  readonly message: { readonly isProblem: boolean; readonly text: string } | undefined
}

/** What an operator can do with the user in the panel. All requests need a write key, or a server for development. */
export interface Operator {
  readonly view: ReadonlySignal<OperatorView>
  /** Shows another user. What was known of the last one is dropped. */
  show(userId: string): void
  /** Begins a task for a user. It waits for a key if one is needed, and a change waits for a confirmation. */
  begin(userId: string, task: Task): void
  /** Drops what waits for a key or a confirmation. */
  cancel(): void
  /** Asks why the user shows as they do. The log of the server has a line about each such request. */
  explain(): Promise<void>
  /** Takes a key, which is only in memory, asks for the explanation with it, and continues what waits for a key. */
  useKey(key: string): Promise<void>
  forgetKey(): void
  /** @param forMs after how long the status ends, in ms; `undefined` if it does not end */
  setStatus(status: Status, text: string, forMs: number | undefined): Promise<void>
  endSession(sessionId: string): Promise<void>
  endSessions(): Promise<void>
}

/** What {@link operatorOf} needs. */
export interface OperatorOptions {
  readonly api: Api
  /** Whether the server may answer without a key. */
  readonly isDevelopment: boolean
  /** Returns the time of the server in ms since the epoch. */
  readonly now: () => number
}

const LATER = ' Another node has not confirmed it yet.'

/** Keeps what an operator sees and does. */
export function operatorOf({ api, isDevelopment, now }: OperatorOptions): Operator {
  const view = signal<OperatorView>({
    userId: undefined,
    explanation: undefined,
    explainedAt: 0,
    needsKey: !isDevelopment,
    hasKey: false,
    waiting: undefined,
    unconfirmed: undefined,
    isBusy: false,
    message: undefined,
  })
  const set = (part: Partial<OperatorView>): void => {
    view.value = { ...view.value, ...part }
  }

  /** Does a request about the user in the panel. Returns what was answered, unless the panel has another user now. */
  async function ask<Value>(
    request: (userId: string) => Promise<Answer<Value>>,
  ): Promise<Exclude<Answer<Value>, { refused: Refused }> | undefined> {
    const { userId, isBusy } = view.value
    if (userId === undefined || isBusy) return undefined
    set({ isBusy: true, message: undefined })
    const answer = await request(userId)
    const isSame = view.value.userId === userId
    if (isSame) set({ isBusy: false })
    if ('refused' in answer) {
      refuse(answer.refused, isSame)
      return undefined
    }
    set({ needsKey: false, hasKey: api.hasKey })
    return isSame ? answer : undefined
  }

  function refuse({ needs, text }: Refused, isSame: boolean): void {
    if (needs === 'key') {
      api.setKey(undefined)
      set({ needsKey: true, hasKey: false, explanation: undefined })
    }
    if (isSame) set({ message: { isProblem: true, text } })
  }

  async function explain(): Promise<void> {
    const answer = await ask(api.explain)
    if (answer) set({ explanation: answer.value, explainedAt: now() })
  }

  /** Does a change, says that it is done, and shows what it has changed. */
  async function change<Value>(
    request: (userId: string) => Promise<Answer<Value>>,
    done: (value: Value) => string,
  ): Promise<void> {
    const answer = await ask(request)
    if (!answer) return
    const text = done(answer.value) + (answer.isConfirmed ? '' : LATER)
    await explain()
    if (!view.value.message) set({ message: { isProblem: false, text } })
  }

  const cancel = (): void => set({ waiting: undefined, unconfirmed: undefined })

  function show(userId: string): void {
    if (view.value.userId === userId) return
    cancel()
    set({ userId, explanation: undefined, message: undefined, isBusy: false })
  }

  return {
    view,
    show,
    begin(userId, task) {
      show(userId)
      if (view.value.needsKey) set({ waiting: task })
      else if (task === 'explain') void explain()
      else set({ unconfirmed: task })
    },
    cancel,
    explain,
    async useKey(key) {
      api.setKey(key.trim())
      await explain()
      if (!view.value.hasKey) api.setKey(undefined)
      const { needsKey, waiting } = view.value
      if (needsKey) return
      // The explanation is there already.
      set({ waiting: undefined, ...(waiting !== 'explain' && { unconfirmed: waiting }) })
    },
    forgetKey() {
      api.setKey(undefined)
      set({ needsKey: !isDevelopment, hasKey: false, explanation: undefined, message: undefined })
    },
    setStatus(status, text, forMs) {
      const expiresAt = forMs === undefined ? undefined : new Date(now() + forMs).toISOString()
      const wanted = { status, text: text.trim() || undefined, expiresAt }
      return change(
        userId => api.setStatus(userId, wanted),
        shown => `The status is set. Others see: ${shown.status}.`,
      )
    },
    endSession: sessionId =>
      change(
        userId => api.endSession(userId, sessionId),
        () => 'The session has ended.',
      ),
    endSessions: () => change(api.endSessions, () => 'All sessions have ended.'),
  }
}
