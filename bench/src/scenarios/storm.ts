import { Stage } from '../stage.ts'
import { cpuInAll, type Scenario, type Size } from './scenario.ts'

const clientsOf = { full: 2_000, quick: 200 }

/** Everybody connects at once, as after a deploy; the n-th arrival is told to the n − 1 who are there. */
export function storm(size: Size): Scenario {
  const clients = clientsOf[size]
  return {
    name: 'storm',
    title: 'Storm: all connect at once, each is told of all who come after',
    forms: [
      {
        name: 'arrivals',
        title: `${clients.toLocaleString('en-US')} clients arrive at once`,
        unit: 'CPU s until all are told',
      },
    ],
    play: contender =>
      Stage.with(contender, { sockets: clients }, async stage => {
        const { told } = stage
        const arrivals = await stage.measure({
          do: 'connect',
          listeners: clients,
          drivers: 0,
          atOnce: clients,
          told,
        })
        return { arrivals: cpuInAll(arrivals) }
      }),
    goals: [
      { form: 'arrivals', figure: 'cost', atMost: { times: 1 / 30, than: 'ws' } },
      { form: 'arrivals', figure: 'cost', atMost: { times: 1 / 35, than: 'socket.io' } },
    ],
  }
}
