import type { ClusterFeed } from '../../changes/cluster-feed.ts'
import { type Standing, type StreamCommand, StreamKeeper } from '../../changes/stream-keeper.ts'

/** A control: a node that takes over stores only what it reads from then on, and nothing that is missing before. */
export class ForgetfulKeeper extends StreamKeeper {
  readonly #from: { seq: number }
  #wasWriter = false

  constructor(feed: ClusterFeed) {
    const from = { seq: 0 }
    const forgetful = new Proxy(feed, {
      get(target, name) {
        if (name === 'after') {
          return (seq: number, limit: number) =>
            target.after(seq, limit)?.filter(change => change.seq > from.seq)
        }
        const value: unknown = Reflect.get(target, name, target)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
    super(forgetful)
    this.#from = from
  }

  override next(standing: Standing | undefined, now: number): StreamCommand | undefined {
    if (standing?.isWriter && !this.#wasWriter) this.#from.seq = standing.place.seq
    this.#wasWriter = standing?.isWriter ?? false
    return super.next(standing, now)
  }
}
