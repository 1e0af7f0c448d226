import { Counter, Gauge, type Registry } from 'prom-client'
import { RESULTS } from './poster.ts'
import type { Webhooks } from './webhooks.ts'

/** The figures of webhooks. Values are read when requested. docs/webhooks.md says what to watch. */
export function addWebhookMetrics(
  registry: Registry,
  webhooks: Pick<Webhooks, 'counts' | 'states' | 'unsentMs' | 'isDelivering'>,
): void {
  const registers = [registry]
  new Counter({
    name: 'wio_webhook_requests_total',
    help: 'Requests to webhook endpoints by their result: ok, status (not 2xx), timeout or connection',
    labelNames: ['endpoint', 'result'],
    registers,
    collect() {
      this.reset()
      for (const [endpoint, counts] of webhooks.counts) {
        for (const result of RESULTS) this.inc({ endpoint, result }, counts[result])
      }
    },
  })
  new Counter({
    name: 'wio_webhook_full_states_total',
    help: 'Full states that were begun for a webhook endpoint: first, or again because the log had dropped their place',
    labelNames: ['endpoint', 'begin'],
    registers,
    collect() {
      this.reset()
      for (const [endpoint, { first, again }] of webhooks.states) {
        this.inc({ endpoint, begin: 'first' }, first)
        this.inc({ endpoint, begin: 'again' }, again)
      }
    },
  })
  new Gauge({
    name: 'wio_webhook_delivering',
    help: '1 if this server delivers webhooks; 0 if another node of the cluster does',
    registers,
    collect() {
      this.set(webhooks.isDelivering ? 1 : 0)
    },
  })
  new Gauge({
    name: 'wio_webhook_oldest_unsent_seconds',
    help: 'Age of the oldest change that a webhook endpoint has not taken; 0 without such a change. In a cluster, only the node that delivers has it',
    labelNames: ['endpoint'],
    registers,
    collect() {
      this.reset()
      for (const [endpoint, ms] of webhooks.unsentMs()) this.set({ endpoint }, ms / 1_000)
    },
  })
}
