import type { DialectName } from '../load/dialect.ts'

/** A server to be measured: a process that listens on `PORT` and answers `GET /readyz` with 200 when it is up. */
export interface Contender {
  name: string
  /** What it is, for readers of the report. */
  title: string
  dialect: DialectName
  /** Its program: a path, absolute or relative to this file. */
  program: string
  args: string[]
  /** Settings beyond `PORT` and `SILENT`; `scratch` is a directory of this run. */
  env(scratch: string): Record<string, string>
  /** Whether it tells of arrivals even when asked to be silent: it has no such setting. */
  alwaysTells: boolean
  /** Whether it is a build of this product: it also speaks v2 and deflates, so it plays every form. */
  isProduct: boolean
}

const plain: Pick<Contender, 'dialect' | 'args' | 'env' | 'alwaysTells' | 'isProduct'> = {
  dialect: 'v1',
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

/** The name of the older build that `--against` compares with. */
export const OLDER = 'older'

/** The builds of this product that can take part; they play the forms that no other contender plays. */
export const builds: string[] = [ours.name, OLDER]

/** The same build for v1 clients that inflate. */
export function deflating(build: Contender): Contender {
  return {
    ...build,
    dialect: 'v1 deflated',
    env: scratch => ({ ...build.env(scratch), COMPRESSION: 'on' }),
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
  dialect: 'socket.io',
  program: './socket.io.ts',
}

export const floor: Contender = {
  ...plain,
  name: 'floor',
  title: 'the limit in Node: bare sockets, the same bytes, one write per socket and 10 ms, no presence',
  program: './floor.ts',
}

export const contenders = [ours, ws, socketIo, floor]
