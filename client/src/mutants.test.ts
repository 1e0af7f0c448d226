import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { createClient } from './client.ts'
import { play } from './simulation.model.ts'

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
    line: 'if (line.seq !== prevSeq) {',
    becomes: 'if (prevSeq < 0) {',
  },
  {
    name: 'a hole is noticed, and nothing is asked for again',
    file: 'roster.ts',
    line: 'interrupt()\n      flushSoon()',
    becomes: 'void flushSoon',
  },
  {
    name: 'a hole is asked for from behind it',
    file: 'roster.ts',
    line: 'if (line.seq !== prevSeq) {',
    becomes: 'const isHole = line.seq !== prevSeq\n    line.seq = seq\n    if (isHole) {',
  },
  {
    name: 'after a reconnect nothing is followed again',
    file: 'roster.ts',
    line: 'follow.upTo !== line && !waiting.has(follow)',
    becomes: '!follow.upTo && !waiting.has(follow)',
  },
  {
    name: 'after a reconnect what was on its way is waited for still',
    file: 'roster.ts',
    line: '      asked.clear()\n      told.clear()',
    becomes: '      told.clear()',
  },
  {
    name: 'what is on its way when the connection is lost counts as told',
    file: 'roster.ts',
    line: '      for (const follow of part) told.add(follow)',
    becomes:
      '      for (const follow of part) {\n        told.add(follow)\n        follow.upTo ??= line\n      }',
  },
  {
    name: 'what was asked for before a hole counts as told before it',
    file: 'roster.ts',
    line: ' follow.upTo = line',
    becomes: ' follow.upTo ??= line',
  },
  {
    name: 'the place of one connection is taken for that of the next',
    file: 'roster.ts',
    line: 'say({ type, since, ...selector }',
    becomes: 'say({ type, since: line, ...selector }',
  },
  {
    name: 'a place moves on though its line is broken',
    file: 'roster.ts',
    line: '    line = { ...line }\n    refresh()',
    becomes:
      '    for (const follow of follows.values()) if (follow.upTo === line) follow.upTo = { ...line }\n    const old = line\n    line = { ...line, get seq() { return old.seq }, set seq(seq) { old.seq = seq } }\n    for (const follow of follows.values()) if (follow.upTo) follow.upTo = old\n    refresh()',
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
    line: '    forget()\n    refresh()',
    becomes: '    forget()',
  },
  {
    name: 'the first of two subscriptions that ends ends both',
    file: 'roster.ts',
    line: '?.followers.delete(follower)',
    becomes: '?.followers.clear()',
  },
  {
    name: 'a subscription that was refused for now is not made again',
    file: 'roster.ts',
    line: '      asked.delete(by)\n',
    becomes: '',
  },
  {
    name: 'nothing is said again of a device that was refused',
    file: 'roster.ts',
    line: '      sayAgain()\n',
    becomes: '',
  },
  {
    name: 'a dead server is taken for a quiet one',
    file: 'connection.ts',
    line: "heartbeat.set(ANSWER_MS, () => dispatch('abandon'))",
    becomes: 'heartbeat.set(ANSWER_MS, probe)',
  },
  {
    name: 'an attempt that gets no answer is waited for',
    file: 'machine.ts',
    line: ", 'open', CONNECT_MS]",
    becomes: ", 'open']",
  },
  {
    name: 'the close of an old socket closes the new one',
    file: 'connection.ts',
    line: "ifCurrent(() => apply('lost', event.code))",
    becomes: "enqueue(() => apply('lost', event.code))",
  },
  {
    name: 'what an old socket still says is heard',
    file: 'connection.ts',
    line: 'ifCurrent(() => receive(data))',
    becomes: 'enqueue(() => receive(data))',
  },
  {
    name: 'a socket is left open when it is silent',
    file: 'connection.ts',
    line: 'socket?.close(code)',
    becomes: 'if (code === normal) socket?.close(code)',
  },
  {
    name: 'a replaced session does not come back as another',
    file: 'machine.ts',
    line: 'if (recoverableCodes.includes(code))',
    becomes: 'if (recoverableCodes.length > 9)',
  },
  {
    name: 'the server is not told who is followed no more',
    file: 'roster.ts',
    line: "    tell('unsubscribe', gone)\n",
    becomes: '    void gone\n',
  },
  {
    name: 'users stay live when the connection is lost',
    file: 'roster.ts',
    line: '    line = { ...line }\n    refresh()',
    becomes: '    line = { ...line }',
  },
  {
    name: 'who was followed before is followed still when what was on its way arrives',
    file: 'roster.ts',
    line: 'followers.size === 0) follows.delete(topic)',
    becomes:
      'followers.size === 0 && told.has(follows.get(topic) as Follow)) follows.set(topic, { topic, followers, upTo: undefined })\n      else if (followers.size === 0) follows.delete(topic)',
  },
  {
    name: 'a tab that is looked at again does not say so',
    file: 'self.ts',
    line: "state: visible ? 'active' : 'inactive'",
    becomes: "state: 'inactive'",
  },
  {
    name: 'a connection begins without the choice',
    file: 'self.ts',
    line: 'return chosenAt ? { status, expiresAt, chosenAt } : {}',
    becomes: 'return {}',
  },
  {
    name: 'an old choice is said as a new one',
    file: 'self.ts',
    line: 'return chosenAt ? { status, expiresAt, chosenAt } : {}',
    becomes: 'return chosenAt ? { status, expiresAt } : {}',
  },
  {
    name: 'a choice that the server has not answered is not said',
    file: 'self.ts',
    line: 'if (newer) return { status, expiresAt, chosenAt: askedAt }',
    becomes: 'if (newer) return {}',
  },
  {
    name: 'a choice that is over is said',
    file: 'self.ts',
    line: "if (Date.parse(expiresAt ?? '') <= now() + aheadMs) return {}",
    becomes: '',
  },
  {
    name: 'a text is not said again',
    file: 'self.ts',
    line: 'if (isTextDue) return sayText()',
    becomes: 'if (isTextDue) return',
  },
  {
    name: 'a text is said again though another device has chosen since',
    file: 'self.ts',
    line: 'message.timestamp === chosenAt &&',
    becomes: '',
  },
  {
    name: 'a choice is said again though there is a newer one',
    file: 'requests.ts',
    line: 'if (!isChoice(each.request)) each.id',
    becomes: 'each.id',
  },
  {
    name: 'a choice is given up when its promise times out',
    file: 'requests.ts',
    line: "patience.set(timeoutMs, () => reject(new PresenceError('timeout')))",
    becomes:
      "patience.set(timeoutMs, () => {\n          reject(new PresenceError('timeout'))\n          choice = undefined\n        })",
  },
  {
    name: 'a connection that began before the user hid is taken',
    file: 'client.ts',
    line: "if (status === 'offline' && said.status !== status && connection.isHandshaking) dispatch('abandon')",
    becomes: '',
  },
]

/** Enough for each of them; nearly all are seen within twenty, what an old socket says late within thousands. */
const GAMES = 3000
const CACHE = join(import.meta.dirname, '../../node_modules/.cache')
const source = new Map<string, string>()
let folder: string

beforeAll(async () => {
  for (const file of await readdir(import.meta.dirname)) {
    if (/\.(test|fake|model)\.tsx?$/.test(file)) continue
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
