import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { createClient } from './client.ts'
import { play } from './game.contract.ts'

/**
 * The negative control of the games: each of these is the client with one line wrong, and the games have to see it. The
 * first ones are what the games are about: resuming and noticing holes, switched off.
 */
interface Mutant {
  readonly name: string
  readonly file: string
  /** Stands exactly once in the file. */
  readonly line: string
  readonly becomes: string
}

const MUTANTS: readonly Mutant[] = [
  {
    name: 'a hole is not noticed',
    file: 'roster.ts',
    line: 'if (place.seq !== prevSeq) {',
    becomes: 'if (prevSeq < 0) {',
  },
  {
    name: 'a hole is noticed, and nothing is asked for again',
    file: 'roster.ts',
    line: 'interrupt()\n      flushSoon()',
    becomes: '',
  },
  {
    name: 'a hole is asked for from behind it',
    file: 'roster.ts',
    line: 'if (place.seq !== prevSeq) {',
    becomes: 'const isHole = place.seq !== prevSeq\n    place = { ...place, seq }\n    if (isHole) {',
  },
  {
    name: 'after a reconnect nothing is followed again',
    file: 'roster.ts',
    line: 'const due = which(({ told }) => !told)',
    becomes: 'const due = which(({ told, since }) => !told && !since)',
  },
  {
    name: 'after a reconnect what was on its way is waited for still',
    file: 'roster.ts',
    line: 'for (const follow of follows.values()) follow.told = undefined',
    becomes: '',
  },
  {
    name: 'what is on its way when the connection is lost counts as told',
    file: 'roster.ts',
    line: "if (follow.told !== 'live' || follow.key === COUNT) continue",
    becomes: 'if (!follow.told || follow.key === COUNT) continue',
  },
  {
    name: 'the place of one connection is taken for that of the next',
    file: 'roster.ts',
    line: '...selector, since, id',
    becomes: '...selector, since: place, id',
  },
  {
    name: 'the first page is taken for the whole state',
    file: 'roster.ts',
    line: 'if (!last) return',
    becomes: 'void last',
  },
  {
    name: 'whoever is missing on a list of everybody stays online',
    file: 'roster.ts',
    line: "if (!present.has(user.userId) && user.status !== 'offline')",
    becomes: "if (present.has(user.userId) && user.status === 'offline')",
  },
  {
    name: 'a recovered state of everybody makes all others offline',
    file: 'roster.ts',
    line: 'if (all && !recovered) {',
    becomes: 'if (all) {',
  },
  {
    name: 'a state of everybody that nobody asked for is taken for changes',
    file: 'roster.ts',
    line: 'if (all && !recovered) {',
    becomes: 'if (all && !recovered && id !== undefined) {',
  },
  {
    name: 'a list of everybody of several pages is taken for changes',
    file: 'roster.ts',
    line: 'if (all && !recovered) {',
    becomes: 'if (all && !recovered && page.users === users) {',
  },
  {
    name: 'who is followed no more stays in the view',
    file: 'roster.ts',
    line: 'if (gone.length > 0) refresh()',
    becomes: '',
  },
  {
    name: 'the first of two subscriptions that ends ends both',
    file: 'roster.ts',
    line: 'followers?.delete(follower)',
    becomes: '(followers?.clear(), followers)',
  },
  {
    name: 'a subscription that was refused for now is not made again',
    file: 'roster.ts',
    line: 'for (const follow of asked) {\n      follow.told = undefined',
    becomes: 'for (const follow of asked) {',
  },
  {
    name: 'a dead server is taken for a quiet one',
    file: 'heartbeat.ts',
    line: 'else if (isAsking) silent()',
    becomes: 'else if (isAsking) next.set(everyMs, look)',
  },
  {
    name: 'an attempt that gets no answer is waited for',
    file: 'machine.ts',
    line: ", ['timer', CONNECT_MS]",
    becomes: '',
  },
  {
    name: 'the close of an old socket closes the new one',
    file: 'link.ts',
    line: 'if (own === attempt) lost(code)\n    }\n    // A close',
    becomes: 'lost(code)\n    }\n    // A close',
  },
  {
    name: 'what an old socket still says is heard',
    file: 'link.ts',
    line: 'if (own === attempt) receive(data)',
    becomes: 'receive(data)',
  },
  {
    name: 'a socket is left open when it is silent',
    file: 'machine.ts',
    line: 'const cut = leaving(lost)',
    becomes: 'const cut = lost',
  },
  {
    name: 'a replaced session does not come back as another',
    file: 'machine.ts',
    line: 'if (mendable.includes(code) && !mended.includes(code))',
    becomes: 'if (mended.length > 9)',
  },
  {
    name: 'the server is not told who is followed no more',
    file: 'roster.ts',
    line: 'gone.filter(({ told, since }) => told || since)',
    becomes: 'gone.filter(({ told, since }) => !told && !since)',
  },
  {
    name: 'users stay live when the connection is lost',
    file: 'roster.ts',
    line: 'follow.since = place\n    }\n    refresh()',
    becomes: 'follow.since = place\n    }',
  },
  {
    name: 'who was followed before is followed still when what was on its way arrives',
    file: 'roster.ts',
    line: 'for (const { key } of gone) follows.delete(key)',
    becomes: 'for (const follow of gone) follow.told = undefined',
  },
  {
    name: 'a tab that is looked at again does not say so',
    file: 'self.ts',
    line: "state: visible ? 'active' : 'inactive'",
    becomes: "state: 'inactive'",
  },
]

/** Enough for each of them; nearly all are seen within twenty, what an old socket says late within thousands. */
const GAMES = 3000
const CACHE = join(import.meta.dirname, '../../node_modules/.cache')
const source = new Map<string, string>()
let folder: string

beforeAll(async () => {
  for (const file of await readdir(import.meta.dirname)) {
    if (/\.(test|contract)\.tsx?$/.test(file)) continue
    source.set(file, await readFile(join(import.meta.dirname, file), 'utf8'))
  }
  await mkdir(CACHE, { recursive: true })
  folder = await mkdtemp(join(CACHE, 'client-mutants-'))
})

afterAll(() => rm(folder, { recursive: true }))

/** The client as it is in the files, but for that one line. */
async function load(name: string, mutant?: Mutant): Promise<typeof createClient> {
  const home = join(folder, name)
  await mkdir(home)
  for (const [file, text] of source) {
    const isMeant = file === mutant?.file
    await writeFile(join(home, file), isMeant ? text.replace(mutant.line, () => mutant.becomes) : text)
  }
  const module: { createClient: typeof createClient } = await import(join(home, 'client.ts'))
  return module.createClient
}

/** How many games it takes until something is wrong; undefined when nothing is. */
async function judge(create: typeof createClient, games: number): Promise<number | undefined> {
  for (let game = 0; game < games; game++) if ((await play(create, 7_000 + game)).length > 0) return game + 1
  return undefined
}

test('[J1] the games have no objection to the copied client itself', async () => {
  expect(await judge(await load('itself'), 200)).toBeUndefined()
})

test.each(MUTANTS.map((mutant, index) => ({ ...mutant, index })))('[J1] caught: $name', async mutant => {
  expect(source.get(mutant.file)?.split(mutant.line)).toHaveLength(2)
  expect(await judge(await load(`${mutant.index}`, mutant), GAMES)).toBeDefined()
})
