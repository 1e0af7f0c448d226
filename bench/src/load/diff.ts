/** Receives the users of a diff. */
export interface DiffSink {
  /** The user `u<number>` has the status with this second letter. */
  changed(user: number, letter: number): void
}

/** The second letter of a status, which differs for all of them: n, w, u, f. */
export function letterOf(status: string): number {
  return status.charCodeAt(1)
}

const HEAD = Buffer.from('{"type":"presence_diff","prevSeq":')
const SEQ = Buffer.from(',"seq":')
const USERS = Buffer.from(',"users":[')
const USER = Buffer.from('{"userId":"u')
const STATUS = Buffer.from('","status":"')
const TAIL = Buffer.from(']}')

const ZERO = 0x30
const COMMA = 0x2c
const CLOSING_BRACE = 0x7d

/**
 * Reads a `presence_diff` in a third of the time of `JSON.parse`. It expects the keys in their order and
 * users without names and texts. @throws Error for anything else
 */
export class DiffReader {
  /** `prevSeq` and `seq` of the last diff. */
  prevSeq = 0
  seq = 0
  #chunk: Buffer = TAIL
  #at = 0

  /** Reads the diff from `start` to `end`. Returns the number of users in it. */
  read(chunk: Buffer, start: number, end: number, sink: DiffSink): number {
    this.#chunk = chunk
    this.#at = start
    this.#skip(HEAD)
    this.prevSeq = this.#number()
    this.#skip(SEQ)
    this.seq = this.#number()
    this.#skip(USERS)
    let users = 0
    do {
      this.#skip(USER)
      const user = this.#number()
      this.#skip(STATUS)
      sink.changed(user, chunk[this.#at + 1] ?? 0)
      while (this.#at < end && chunk[this.#at] !== CLOSING_BRACE) this.#at++
      this.#at++
      users++
    } while (chunk[this.#at++] === COMMA)
    this.#at--
    this.#skip(TAIL)
    if (this.#at !== end) throw new Error(UNREADABLE)
    return users
  }

  #skip(literal: Buffer): void {
    for (let index = 0; index < literal.length; index++) {
      if (this.#chunk[this.#at++] !== literal[index]) throw new Error(UNREADABLE)
    }
  }

  #number(): number {
    let number = 0
    for (;;) {
      const digit = (this.#chunk[this.#at] ?? 0) - ZERO
      if (digit < 0 || digit > 9) return number
      number = number * 10 + digit
      this.#at++
    }
  }
}

const UNREADABLE = 'a client received a message that is not a presence_diff in the expected form'
