import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { createClient } from './client.ts'
import { simulate } from './simulation.model.ts'

/**
 * The negative control of the simulation: each mutant is the client with one wrong line, which the simulation
 * must detect.
 */
interface Mutant {
  readonly name: string
  readonly file: string
  /** Occurs exactly once in the file. */
  readonly line: string
  readonly becomes: string
}

const MUTANTS: readonly Mutant[] = [
  {
    name: 'a gap is not noticed',
    file: 'subscriptions.ts',
    line: 'if (position.seq !== prevSeq) {',
    becomes: 'if (prevSeq < 0) {',
  },
  {
    name: 'a gap is noticed, but nothing is requested again',
    file: 'subscriptions.ts',
    line: 'interrupt()\n      flushSoon()',
    becomes: 'void flushSoon',
  },
  {
    name: 'a gap is requested from the position after it',
    file: 'subscriptions.ts',
    line: 'if (position.seq !== prevSeq) {',
    becomes: 'const isGap = position.seq !== prevSeq\n    position.seq = seq\n    if (isGap) {',
  },
  {
    name: 'after a reconnect the subscriptions are not made again',
    file: 'subscriptions.ts',
    line: 'each.since !== position && !waiting.has(each)',
    becomes: '!each.since && !waiting.has(each)',
  },
  {
    name: 'after a reconnect the client waits for replies of the old connection',
    file: 'subscriptions.ts',
    line: '      inFlight.clear()\n      onServer.clear()',
    becomes: '      onServer.clear()',
  },
  {
    name: 'a request that was refused counts as confirmed',
    file: 'subscriptions.ts',
    line: '      for (const each of part) onServer.add(each)',
    becomes:
      '      for (const each of part) {\n        onServer.add(each)\n        each.since ??= position\n      }',
  },
  {
    name: 'a subscription that is confirmed after a gap keeps its old position',
    file: 'subscriptions.ts',
    line: ' each.since = position',
    becomes: ' each.since ??= position',
  },
  {
    name: 'a subscription is resumed from the position of the new connection',
    file: 'subscriptions.ts',
    line: 'send({ type, since, ...selector }',
    becomes: 'send({ type, since: position, ...selector }',
  },
  {
    name: 'a position moves on after its connection is lost',
    file: 'subscriptions.ts',
    line: '    position = { ...position }\n    view.refresh()',
    becomes:
      '    for (const each of subscriptions.values()) if (each.since === position) each.since = { ...position }\n    const old = position\n    position = { ...position, get seq() { return old.seq }, set seq(seq) { old.seq = seq } }\n    for (const each of subscriptions.values()) if (each.since) each.since = old\n    view.refresh()',
  },
  {
    name: 'the first page is taken for the whole state',
    file: 'subscriptions.ts',
    line: 'if (!last) return',
    becomes: 'void last',
  },
  {
    name: 'users who are missing in a list of all users stay online',
    file: 'subscriptions.ts',
    line: "if (!present.has(user.userId) && user.status !== 'offline')",
    becomes: "if (present.has(user.userId) && user.status === 'offline')",
  },
  {
    name: 'a recovered state of all users makes all others offline',
    file: 'subscriptions.ts',
    line: 'if (all && !recovered) {',
    becomes: 'if (all) {',
  },
  {
    name: 'an unrequested state of all users is taken for changes',
    file: 'subscriptions.ts',
    line: 'if (all && !recovered) {',
    becomes: 'if (all && !recovered && id !== undefined) {',
  },
  {
    name: 'a list of all users in several pages is taken for changes',
    file: 'subscriptions.ts',
    line: 'if (all && !recovered) {',
    becomes: 'if (all && !recovered && page.users === users) {',
  },
  {
    name: 'users stay in the view after the last subscription has ended',
    file: 'subscriptions.ts',
    line: '    removeUnused()\n    view.refresh()',
    becomes: '    removeUnused()',
  },
  {
    name: 'the end of one subscriber ends another one too',
    file: 'subscriptions.ts',
    line: '?.subscribers.delete(subscriber)',
    becomes: '?.subscribers.clear()',
  },
  {
    name: 'a subscription that was refused as too fast is not made again',
    file: 'subscriptions.ts',
    line: '      inFlight.delete(requestId)\n',
    becomes: '',
  },
  {
    name: 'the state of the device is not sent again after too_fast',
    file: 'subscriptions.ts',
    line: '      resendOthers()\n',
    becomes: '',
  },
  {
    name: 'a dead server is taken for a quiet one',
    file: 'connection.ts',
    line: "heartbeat.set(ANSWER_MS, () => dispatch('lost'))",
    becomes: 'heartbeat.set(ANSWER_MS, probe)',
  },
  {
    name: 'an attempt that gets no answer never times out',
    file: 'machine.ts',
    line: ", 'open', CONNECT_MS]",
    becomes: ", 'open']",
  },
  {
    name: 'the close event of an old socket closes the new one',
    file: 'connection.ts',
    line: "ifCurrent(() => apply('lost', event.code))",
    becomes: "enqueue(() => apply('lost', event.code))",
  },
  {
    name: 'a message of an old socket is processed',
    file: 'connection.ts',
    line: 'ifCurrent(() => receive(data))',
    becomes: 'enqueue(() => receive(data))',
  },
  {
    name: 'a silent socket is not closed',
    file: 'connection.ts',
    line: 'socket?.close(code)',
    becomes: 'if (code === normal) socket?.close(code)',
  },
  {
    name: 'a replaced session does not connect again with another id',
    file: 'machine.ts',
    line: 'if (left)',
    becomes: 'if (left && left > 9)',
  },
  {
    name: 'no unsubscribe is sent',
    file: 'subscriptions.ts',
    line: "    sendAll('unsubscribe', ended)\n",
    becomes: '    void ended\n',
  },
  {
    name: 'users stay live when the connection is lost',
    file: 'subscriptions.ts',
    line: '    position = { ...position }\n    view.refresh()',
    becomes: '    position = { ...position }',
  },
  {
    name: 'a subscription that has ended is kept while its request is in flight',
    file: 'subscriptions.ts',
    line: 'if (!subscribers.size) subscriptions.delete(topic)',
    becomes:
      'if (!subscribers.size && onServer.has(subscriptions.get(topic) as Subscription)) subscriptions.set(topic, { topic, subscribers })\n      else if (!subscribers.size) subscriptions.delete(topic)',
  },
  {
    name: 'a page that becomes visible sends nothing',
    file: 'own-status.ts',
    line: "state: isVisible ? 'active' : 'inactive'",
    becomes: "state: 'inactive'",
  },
  {
    name: 'a connection begins without the choice',
    file: 'own-status.ts',
    line: 'return { status, expiresAt, chosenAt: pending ? pendingChosenAt : chosenAt }',
    becomes: 'return {}',
  },
  {
    name: 'an old choice is sent as a new one',
    file: 'own-status.ts',
    line: 'chosenAt: pending ? pendingChosenAt : chosenAt }',
    becomes: 'chosenAt: pending ? pendingChosenAt : undefined }',
  },
  {
    name: 'a choice that the server has not answered is not sent with the URL',
    file: 'own-status.ts',
    line: 'if (isOver || !(pending || chosenAt)) return {}',
    becomes: 'if (isOver || pending || !chosenAt) return {}',
  },
  {
    name: 'a choice that is over is sent',
    file: 'own-status.ts',
    line: 'const isOver = Date.parse(expiresAt as string) <= now()',
    becomes: 'const isOver = false',
  },
  {
    name: 'the text is not sent again',
    file: 'own-status.ts',
    line: 'if (isTextMissing) return sendText()',
    becomes: 'if (isTextMissing) return',
  },
  {
    name: 'the text is sent again although another device has chosen since',
    file: 'own-status.ts',
    line: 'message.timestamp === chosenAt &&',
    becomes: '',
  },
  {
    name: 'a choice is sent again although there is a newer one',
    file: 'pending-requests.ts',
    line: 'if (!isChoice(each.request)) each.id',
    becomes: 'each.id',
  },
  {
    name: 'a choice is given up when its promise times out',
    file: 'pending-requests.ts',
    line: 'timeout.set(timeoutMs, () =>',
    becomes: 'timeout.set(timeoutMs, () => void (choice = undefined) ?? ',
  },
  {
    name: 'an attempt that began before the user hid is kept',
    file: 'client.ts',
    line: "if (status === 'offline' && sentChoice.status !== status && connection.isOpening()) dispatch('lost')",
    becomes: '',
  },
]

/**
 * Enough runs for each mutant: most are detected within twenty, late messages of an old socket within
 * thousands.
 */
const RUNS = 3000
/** Long, so that a slow machine does not fail the test. */
const PATIENCE_MS = 300_000
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

/** Loads a copy of the client, with one line changed. */
async function load(name: string, mutant?: Mutant): Promise<typeof createClient> {
  const home = join(folder, name)
  await mkdir(home)
  for (const [file, text] of source) {
    const isChanged = file === mutant?.file
    await writeFile(join(home, file), isChanged ? text.replace(mutant.line, () => mutant.becomes) : text)
  }
  const module: { createClient: typeof createClient } = await import(join(home, 'client.ts'))
  return module.createClient
}

/** Returns how many runs it takes to find a violation; undefined if none is found. */
async function runsToViolation(create: typeof createClient, runs: number): Promise<number | undefined> {
  for (let run = 0; run < runs; run++) if ((await simulate(create, 7_000 + run)).length > 0) return run + 1
  return undefined
}

test('[J1] the unchanged copy of the client has no violation', async () => {
  expect(await runsToViolation(await load('itself'), 200)).toBeUndefined()
})

test.each(MUTANTS.map((mutant, index) => ({ ...mutant, index })))(
  '[J1] caught: $name',
  async mutant => {
    expect(source.get(mutant.file)?.split(mutant.line)).toHaveLength(2)
    expect(await runsToViolation(await load(`${mutant.index}`, mutant), RUNS)).toBeDefined()
  },
  PATIENCE_MS,
)
