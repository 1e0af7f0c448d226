import type { ChangeStream, StoreRequest, StreamEntry } from './change-stream.ts'
import type { Place } from './feed.ts'

/** What a stream of changes does, in the simplest form. The simulator runs on it; the suite compares it with Redis. */
export class ChangeStreamModel {
  entries: StreamEntry[] = []
  end: Place | undefined

  read({ epoch, seq }: Place, count: number): StreamEntry[] {
    if (this.end?.epoch !== epoch) return []
    return this.entries.filter(entry => entry.seq > seq).slice(0, count)
  }

  store({ expected, beginAt, entries, to, dropped }: StoreRequest): Place | undefined {
    if (expected?.epoch !== this.end?.epoch || expected?.seq !== this.end?.seq) return this.end
    if (beginAt !== undefined) {
      this.entries = [{ after: beginAt, seq: beginAt, content: '{"format":1,"changes":[]}' }]
    }
    for (const { seq, content } of entries) {
      this.entries.push({ after: this.entries.at(-1)?.seq ?? seq, seq, content })
    }
    this.entries = this.entries.filter(({ seq }) => seq >= dropped)
    this.end = to
    return to
  }

  clone(): ChangeStreamModel {
    return Object.assign(new ChangeStreamModel(), { entries: [...this.entries], end: this.end })
  }
}

/** The port on a model, for tests in one process. */
export function streamOf(model: ChangeStreamModel): ChangeStream {
  return {
    end: async () => model.end,
    read: async (after, count) => model.read(after, count),
    store: async request => model.store(request),
  }
}
