import { builds, type Contender, deflating } from '../contenders/contenders.ts'
import type { Run } from '../figures.ts'
import { Stage } from '../stage.ts'
import { perMillion, type Scenario, type Size } from './scenario.ts'

const CLIENTS = 64
const PIPELINED = 32

const secondsOf = { full: 3, quick: 0.3 }

/** Requests and replies, as fast as possible. */
export function request(size: Size): Scenario {
  return {
    name: 'request',
    title: 'Request and reply: half `get_online_count`, half `check_user_status`',
    forms: [
      {
        name: 'pipelined',
        title: `${CLIENTS} clients × ${PIPELINED} pipelined`,
        unit: 'CPU s per million replies',
        counted: 'replies',
      },
      {
        name: 'deflated',
        title: 'with COMPRESSION=on, clients that accept compression',
        unit: 'CPU s per million replies',
        counted: 'replies',
        players: builds,
        beside: { form: 'pipelined', as: 'ours, off' },
      },
    ],
    measure: async contender => {
      const pipelined = await ask(contender, secondsOf[size])
      if (!contender.isProduct) return { pipelined }
      return { pipelined, deflated: await ask(deflating(contender), secondsOf[size]) }
    },
    goals: [{ form: 'pipelined', figure: 'cost', atMost: { times: 1 / 5, than: 'ws' } }],
  }
}

function ask(contender: Contender, seconds: number): Promise<Run> {
  return Stage.with(contender, { sockets: CLIENTS }, async stage => {
    const { broadcastsArrivals } = stage
    await stage.measure({
      do: 'connect',
      listeners: CLIENTS,
      drivers: 0,
      atOnce: CLIENTS,
      broadcastsArrivals,
    })
    return perMillion(await stage.measure({ do: 'requests', pipelined: PIPELINED, seconds }))
  })
}
