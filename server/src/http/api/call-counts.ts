import { type CallName, calls } from '@who-is-online/protocol/api'

/** The class of a status: its first digit, and `xx`. */
const STATUS_CLASSES = ['2xx', '3xx', '4xx', '5xx'] as const

type StatusClass = (typeof STATUS_CLASSES)[number]

/** A request that is no call: its path or its method is unknown. */
const OTHER = 'other'

/** What is known of the requests of one call. */
export interface CallCount {
  /** How many were answered, by the class of the status. */
  readonly answered: Readonly<Record<StatusClass, number>>
  /** How many are being answered: with `streamChanges`, the open streams. */
  readonly open: number
}

interface Counting extends CallCount {
  readonly answered: Record<StatusClass, number>
  open: number
}

/** Counts the requests of the HTTP API, for the metrics. */
export class CallCounts {
  readonly #counts = new Map<CallName | typeof OTHER, Counting>()

  constructor() {
    for (const name of Object.keys(calls) as CallName[]) this.#counts.set(name, newCount())
    this.#counts.set(OTHER, newCount())
  }

  /**
   * Counts a request. Call the returned function once, when the request has ended, with the status of its answer.
   *
   * @param name the call; `undefined` if the request is not a call
   */
  begin(name: CallName | undefined): (status: number) => void {
    const count = this.#counts.get(name ?? OTHER) as Counting
    count.open++
    return status => {
      count.open--
      count.answered[classOf(status)]++
    }
  }

  /** What was counted since the start, by the name of the call; `other` for requests that are no call. */
  get counts(): ReadonlyMap<string, CallCount> {
    return this.#counts
  }
}

function newCount(): Counting {
  return { answered: { '2xx': 0, '3xx': 0, '4xx': 0, '5xx': 0 }, open: 0 }
}

function classOf(status: number): StatusClass {
  return STATUS_CLASSES[Math.floor(status / 100) - 2] ?? '5xx'
}
