import { ReadingCopy } from './copy.ts'
import type { Page } from './page.ts'

/** A copy that is fed by `GET /api/v1/changes` alone. */
export class PollCopy extends ReadingCopy {
  override readonly name = 'changes'
  #isFirst = true

  protected async read(origin: string): Promise<void> {
    for (;;) {
      const query = new URLSearchParams({ limit: '10', ...this.#from() })
      const url = `${origin}/api/v1/changes?${query}`
      // A dead server may leave the connection open.
      const signal = AbortSignal.any([this.stopping.signal, AbortSignal.timeout(5_000)])
      const response = await fetch(url, { signal })
      if (!response.ok) throw new Error(`${response.status}`)
      this.fold((await response.json()) as Page)
      this.#isFirst = false
      await this.pause()
    }
  }

  #from(): Record<string, string> {
    if (this.cursor !== undefined) return { cursor: this.cursor }
    // The control asks for the present place, besides at first.
    if (!this.options.resumes && !this.#isFirst && this.users.place === undefined) return {}
    return { since: this.since, waitMs: '1000' }
  }
}
