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
    this.#add(Gauge, { name, help }, () => [[{}, read()]])
  }

  /** Adds a value that rises and falls, for each value of a label. */
  gauges(name: string, help: string, label: string, read: () => ByLabel): void {
    this.#add(Gauge, { name, help, labelNames: [label] }, () => labelled(label, read()))
  }

  /** Adds a number that only grows. */
  counter(name: string, help: string, read: () => number): void {
    this.#add(Counter, { name, help }, () => [[{}, read()]])
  }

  /** Adds a number that only grows, for each value of a label. */
  counters(name: string, help: string, label: string, read: () => ByLabel): void {
    this.#add(Counter, { name, help, labelNames: [label] }, () => labelled(label, read()))
  }

  /** Adds a histogram of durations, in seconds. */
  durations(name: string, help: string, durations: Durations): void {
    // A histogram of `prom-client` counts by itself. This one reads, which needs only `get`.
    const histogram = { name, help, get: async () => ({ name, help, ...valuesOf(name, durations) }) }
    this.#registry.registerMetric(histogram as unknown as Histogram)
  }

  #add(Metric: typeof Gauge | typeof Counter, texts: Texts, read: () => Iterable<Labelled>): void {
    new Metric({
      ...texts,
      registers: [this.#registry],
      collect() {
        this.reset()
        for (const [labels, value] of read()) this.inc(labels, value)
      },
    })
  }
}

/** What a metric is called, and its label. */
interface Texts {
  readonly name: string
  readonly help: string
  readonly labelNames?: string[]
}

type Labelled = readonly [labels: Readonly<Record<string, string>>, value: number]

function* labelled(label: string, values: ByLabel): Generator<Labelled> {
  for (const [of, value] of values) yield [{ [label]: of }, value]
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
