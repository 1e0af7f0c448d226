import { builds, type Contender, deflating } from '../contenders/contenders.ts'
import type { Run } from '../figures.ts'
import { Stage } from '../stage.ts'
import { perMillion, type Scenario, type Size, spoiledBy } from './scenario.ts'

const CLIENTS = 64
const PIPELINED = 32

const sizes = {
  full: { seconds: 3, warmUp: 0.5 },
  quick: { seconds: 0.3, warmUp: 0.1 },
}

/**
 * Requests and replies, as fast as possible. Each request has an `id`, which the reply repeats, so our builds
 * speak v2.
 */
export function request(size: Size): Scenario {
  return {
    name: 'request',
    title:
      'Request and reply: half `get_online_count`, half `check_user_status` of random users, each with an `id`',
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
      if (!contender.isProduct) return { pipelined: await ask(contender, sizes[size]) }
      const pipelined = await ask({ ...contender, wireFormat: 'v2' }, sizes[size])
      return { pipelined, deflated: await ask(deflating(contender, 'v2 deflated'), sizes[size]) }
    },
    goals: [{ form: 'pipelined', figure: 'cost', atMost: { times: 1 / 7, than: 'ws' } }],
  }
}

function ask(contender: Contender, { seconds, warmUp }: (typeof sizes)[Size]): Promise<Run> {
  return Stage.with(contender, { sockets: CLIENTS, silent: true }, async stage => {
    const before = [
      await stage.measure({
        do: 'connect',
        listeners: CLIENTS,
        drivers: 0,
        atOnce: CLIENTS,
        broadcastsArrivals: false,
      }),
      // Do not measure while the code is still being optimised.
      await stage.measure({ do: 'requests', pipelined: PIPELINED, seconds: warmUp }),
    ]
    return spoiledBy(
      before,
      perMillion(await stage.measure({ do: 'requests', pipelined: PIPELINED, seconds })),
    )
  })
}
