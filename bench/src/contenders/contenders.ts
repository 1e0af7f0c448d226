import type { WireFormatName } from '../load/wire-format.ts'

/** A server to measure. It listens on `PORT` and answers `GET /readyz` with 200 when it is ready. */
export interface Contender {
  name: string
  /** A description for the report. */
  title: string
  wireFormat: WireFormatName
  /** The path of its program, absolute or relative to this file. */
  program: string
  args: string[]
  /** Its environment in addition to `PORT` and `SILENT`. `scratch` is a directory for this run. */
  env(scratch: string): Record<string, string>
  /** Whether it always broadcasts arrivals, because it has no setting to stop that. */
  alwaysTells: boolean
  /**
   * Whether it is a build of this product, which supports v2 and compression and takes part in every form.
   */
  isProduct: boolean
}

const plain: Pick<Contender, 'wireFormat' | 'args' | 'env' | 'alwaysTells' | 'isProduct'> = {
  wireFormat: 'v1',
  args: [],
  env: () => ({}),
  alwaysTells: false,
  isProduct: false,
}

export const ours: Contender = {
  ...plain,
  name: 'ours',
  title: 'Who Is Online, the real server process with everything on',
  program: '../../../server/src/main.ts',
  args: ['--dev'],
  env: scratch => ({
    HOST: '127.0.0.1',
    ENVIRONMENT: 'development',
    LIMITS: 'off',
    LOG_LEVEL: 'info',
    DATA_DIR: `${scratch}/data`,
    LOG_DIR: `${scratch}/logs`,
  }),
  alwaysTells: true,
  isProduct: true,
}

/** The name of the older build of `--against`. */
export const OLDER = 'older'

/** The builds of this product. They take part in forms that no other contender supports. */
export const builds: string[] = [ours.name, OLDER]

/** The same build with compression, for clients that accept it. */
export function deflating(build: Contender, wireFormat: 'v1 deflated' | 'v2 deflated'): Contender {
  return {
    ...build,
    wireFormat,
    env: scratch => ({ ...build.env(scratch), COMPRESSION: 'on' }),
  }
}

/** The same build with an environment in which clients send tokens. */
export function withTokens(build: Contender, env: Record<string, string>): Contender {
  return {
    ...build,
    wireFormat: 'v1 with token',
    // A client of v1 gets no arrivals without this right.
    env: scratch => ({ ...build.env(scratch), ...env, AUTH_WATCH: 'all' }),
  }
}

export const ws: Contender = {
  ...plain,
  name: 'ws',
  title: 'naive server on `ws`: `send` to each client per change',
  program: './ws.ts',
}

export const socketIo: Contender = {
  ...plain,
  name: 'socket.io',
  title: 'the same on socket.io 4: one `emit` per change',
  wireFormat: 'socket.io',
  program: './socket.io.ts',
}

export const floor: Contender = {
  ...plain,
  name: 'floor',
  title: 'the limit in Node: bare sockets, the same bytes, one write per socket and 10 ms, no presence',
  program: './floor.ts',
}

export const contenders = [ours, ws, socketIo, floor]
