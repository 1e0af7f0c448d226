import { Counter, Gauge, type Histogram, type Registry } from 'prom-client'
import type { Durations } from './durations.ts'

/** Values of one metric by the value of its label. */
export type ByLabel = Iterable<readonly [label: string, value: number]>

/** Adds metrics whose values are read when they are requested, so that nothing is computed before. */
export class ReadMetrics {
  readonly #registry: Registry

  constructor(registry: Registry) {
    this.#registry = registry
  }

  /** Adds a value that rises and falls. */
  gauge(name: string, help: string, read: () => number): void {
    new Gauge({
      name,
      help,
      registers: [this.#registry],
      collect() {
        this.set(read())
      },
    })
  }

  /** Adds a value that rises and falls, for each value of a label. */
  gauges(name: string, help: string, label: string, read: () => ByLabel): void {
    new Gauge({
      name,
      help,
      labelNames: [label],
      registers: [this.#registry],
      collect() {
        this.reset()
        for (const [of, value] of read()) this.set({ [label]: of }, value)
      },
    })
  }

  /** Adds a number that only grows. */
  counter(name: string, help: string, read: () => number): void {
    new Counter({
      name,
      help,
      registers: [this.#registry],
      collect() {
        this.reset()
        this.inc(read())
      },
    })
  }

  /** Adds a number that only grows, for each value of a label. */
  counters(name: string, help: string, label: string, read: () => ByLabel): void {
    new Counter({
      name,
      help,
      labelNames: [label],
      registers: [this.#registry],
      collect() {
        this.reset()
        for (const [of, count] of read()) this.inc({ [label]: of }, count)
      },
    })
  }

  /** Adds a histogram of durations, in seconds. */
  durations(name: string, help: string, durations: Durations): void {
    // A histogram of `prom-client` counts by itself. This one reads, which needs only `get`.
    const histogram = { name, help, get: async () => ({ name, help, ...valuesOf(name, durations) }) }
    this.#registry.registerMetric(histogram as unknown as Histogram)
  }
}

function valuesOf(name: string, durations: Durations): object {
  const buckets = durations.buckets.map(({ most, count }) => ({
    metricName: `${name}_bucket`,
    labels: { le: most === Number.POSITIVE_INFINITY ? '+Inf' : most },
    value: count,
  }))
  const ends = [
    { metricName: `${name}_sum`, labels: {}, value: durations.sum },
    { metricName: `${name}_count`, labels: {}, value: durations.count },
  ]
  return { type: 'histogram', values: [...buckets, ...ends] }
}
