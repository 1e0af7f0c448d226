import { Stage } from '../stage.ts'
import { perMillion, type Scenario, type Size } from './scenario.ts'

const sizes = {
  full: {
    clients: 1_000,
    drivers: 100,
    perSecond: 500,
    burst: 100,
    restPerSecond: 10,
    seconds: 3.5,
    warmUp: 0.5,
  },
  quick: {
    clients: 100,
    drivers: 20,
    perSecond: 100,
    burst: 20,
    restPerSecond: 10,
    seconds: 0.3,
    warmUp: 0.1,
  },
}

const UNIT = 'CPU s per million deliveries'

/** Every change of anyone reaches every client: what v1 promises, and what fan-out costs. */
export function firehose(size: Size): Scenario {
  const { clients, drivers, perSecond, burst, restPerSecond, seconds, warmUp } = sizes[size]
  const crowd = `${clients.toLocaleString('en-US')} clients`
  return {
    name: 'firehose',
    title: 'Firehose v1: each change reaches each client',
    forms: [
      { name: 'rate', title: `${crowd}, ${perSecond} changes/s`, unit: UNIT },
      { name: 'backlog', title: `${crowd}, ${burst} changes waiting`, unit: UNIT },
      { name: 'rest', title: `${crowd}, one change every ${1000 / restPerSecond} ms`, unit: UNIT },
    ],
    play: contender =>
      // Silent: arrivals are the storm's business, and naive servers need ten seconds for them.
      Stage.with(contender, { sockets: clients + drivers, silent: true }, async stage => {
        const atOnce = clients + drivers
        const { told } = stage
        const arrived = await stage.measure({ do: 'connect', listeners: clients, drivers, atOnce, told })
        // Nobody is measured while the program is still being compiled.
        const warm = await stage.measure({ do: 'changes', perSecond, seconds: warmUp })
        const runs = {
          rate: perMillion(await stage.measure({ do: 'changes', perSecond, seconds })),
          backlog: perMillion(await stage.measure({ do: 'bursts', size: burst, seconds })),
          rest: perMillion(await stage.measure({ do: 'changes', perSecond: restPerSecond, seconds })),
        }
        // What went wrong before the forms may go wrong in them.
        for (const run of Object.values(runs))
          run.invalid.unshift(...arrived.count.invalid, ...warm.count.invalid)
        return runs
      }),
    goals: [
      { form: 'rate', figure: 'cost', atMost: { times: 1 / 10, than: 'ws' } },
      { form: 'rate', figure: 'p99', atMost: { value: 60, unit: 'ms' } },
      { form: 'backlog', figure: 'cost', atMost: { times: 1 / 30, than: 'ws' } },
      { form: 'backlog', figure: 'cost', atMost: { times: 1 / 40, than: 'socket.io' } },
      // performance.md says 2 × a server in C++, which is not built here; the floor is the limit in Node.
      { form: 'backlog', figure: 'cost', atMost: { times: 2, than: 'floor' } },
      { form: 'rest', figure: 'cost', atMost: { times: 0.9, than: 'ws' } },
      { form: 'rest', figure: 'p99', atMost: { times: 1.5, than: 'ws' } },
    ],
  }
}
