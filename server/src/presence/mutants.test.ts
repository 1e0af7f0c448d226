import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { game, play } from './model.contract.ts'
import type { Presence } from './presence.ts'

/**
 * The negative control of the model: each of these is the core with one line wrong, and the model has to see
 * it. One that is not seen says that the model is too weak, not that the mutant may go.
 */
interface Mutant {
  readonly name: string
  readonly file: 'presence.ts' | 'user.ts' | 'deadlines.ts' | 'pace.ts'
  /** Stands exactly once in the file. */
  readonly line: string
  readonly becomes: string
}

const MUTANTS: readonly Mutant[] = [
  // The rule of presence
  {
    name: 'a second tab makes a change',
    file: 'presence.ts',
    line: 'if (due === user.shown) {',
    becomes: "if (due === user.shown && due === 'offline') {",
  },
  {
    name: 'closing one of two tabs ends the user',
    file: 'user.ts',
    line: 'return this.#stay && this.#stay.sessions.length > 0 ? this.#stay.choice',
    becomes: 'return this.#stay && this.#stay.sessions.length % 2 === 1 ? this.#stay.choice',
  },
  {
    name: 'an unknown session counts as one that was lost',
    file: 'user.ts',
    line: 'if (index < 0) return false',
    becomes: 'if (index < 0) return true',
  },
  {
    name: 'who went offline stays in the count',
    file: 'presence.ts',
    line: "if (due === 'offline') this.#online.delete(user)",
    becomes: "if (due === 'offline') this.#online.add(user)",
  },
  {
    name: 'a change carries the time of its turn',
    file: 'presence.ts',
    line: 'status: due, at: now }',
    becomes: 'status: due, at: turn }',
  },
  {
    name: 'the list does not stop at its limit',
    file: 'presence.ts',
    line: "      if (user.shown !== 'offline') continue\n      if (left-- <= 0) return",
    becomes: "      if (user.shown !== 'offline') continue\n      if (left-- < 0) return",
  },
  {
    name: 'a name is not taken',
    file: 'user.ts',
    line: 'if (!isUnseen) this.username = username',
    becomes: 'if (!isUnseen) this.username ??= username',
  },
  // Leaving
  {
    name: 'a lost session has no deadline',
    file: 'presence.ts',
    line: 'user.hold(sessionId, until)\n    this.#deadlines.add(until, user)',
    becomes: 'user.hold(sessionId, until)',
  },
  {
    name: 'a lost session is over at once',
    file: 'user.ts',
    line: "this.#stay?.sessions.push({ id, state: 'held', until })",
    becomes: '',
  },
  {
    name: 'the grace is not applied',
    file: 'presence.ts',
    line: 'this.#awake(now) + this.#options.graceMs',
    becomes: 'this.#awake(now)',
  },
  {
    name: 'a grace never ends at its exact time',
    file: 'user.ts',
    line: 'session.until > awake',
    becomes: 'session.until >= awake',
  },
  {
    name: 'leaving is held like losing',
    file: 'presence.ts',
    line: 'user.end(sessionId)',
    becomes: 'user.hold(sessionId, this.#awake(now) + 1)',
  },
  {
    name: 'who comes back does not end the hold',
    file: 'user.ts',
    line: 'if (held >= 0) this.#stay.sessions.splice(held, 1)',
    becomes: '',
  },
  {
    name: 'a pause of the process runs down graces',
    file: 'presence.ts',
    line: 'this.#pausedMs += ms',
    becomes: 'this.#pausedMs += 0',
  },
  {
    name: 'a pause is forgotten when it is asked for the next deadline',
    file: 'presence.ts',
    line: 'return this.#deadlines.next + this.#pausedMs',
    becomes: 'return this.#deadlines.next + 2 * this.#pausedMs',
  },
  // Restart
  {
    name: 'the restart grace is ignored',
    file: 'presence.ts',
    line: ' + this.#options.restartGraceMs',
    becomes: '',
  },
  {
    name: 'a restored user has no deadline',
    file: 'presence.ts',
    line: "if (user.shown !== 'offline') this.#online.add(user)\n      this.#deadlines.add(until, user)",
    becomes: "if (user.shown !== 'offline') this.#online.add(user)",
  },
  {
    name: 'the restart is a proof of life',
    file: 'presence.ts',
    line: 'Math.min(record.lastSeen, now)',
    becomes: 'now',
  },
  {
    name: 'a hidden user is shown after a restart',
    file: 'user.ts',
    line: '{ sessions, choice, shown: choice,',
    becomes: "{ sessions, choice, shown: 'online',",
  },
  // Hiding
  {
    name: 'a hidden user’s lastSeen moves',
    file: 'user.ts',
    line: "if (this.#stay.shown !== 'offline') this.lastSeen = Math.max(this.lastSeen, at)",
    becomes: 'this.lastSeen = Math.max(this.lastSeen, at)',
  },
  {
    name: 'the choice survives being gone',
    file: 'user.ts',
    line: "shown: 'offline', heard: now, turn: 0 }",
    becomes: "shown: 'offline', heard: now, turn: 0, ...(this.lastSeen < now && { choice: 'offline' }) }",
  },
  {
    name: 'a new session shows who hides',
    file: 'user.ts',
    line: "this.#stay.sessions.push({ id, state: 'live' })",
    becomes: "this.#stay.sessions.push({ id, state: 'live' }); this.#stay.choice = 'online'",
  },
  // Last seen
  {
    name: 'lastSeen is the end of the grace, not the last proof of life',
    file: 'presence.ts',
    line: 'user.endHeld(awake)',
    becomes: 'user.heard(now); user.endHeld(awake)',
  },
  {
    name: 'lastSeen goes back',
    file: 'user.ts',
    line: 'if (!this.#stay || at <= this.#stay.heard) return',
    becomes: 'if (!this.#stay) return; this.lastSeen = Math.min(this.lastSeen, at)',
  },
  {
    name: 'who is shown again keeps the lastSeen of before',
    file: 'user.ts',
    line: "if (this.#stay.shown !== 'offline') this.lastSeen = Math.max(this.lastSeen, this.#stay.heard)",
    becomes: '',
  },
  // Pace
  {
    name: 'hiding waits',
    file: 'presence.ts',
    line: 'if (turn > now && !user.hides)',
    becomes: 'if (turn > now)',
  },
  {
    name: 'a leaving does not wait',
    file: 'presence.ts',
    line: 'if (turn > now && !user.hides)',
    becomes: "if (turn > now && due !== 'offline')",
  },
  {
    name: 'a change that waits has no deadline',
    file: 'presence.ts',
    line: 'if (user.wait(turn)) this.#deadlines.add(this.#awake(turn), user)',
    becomes: 'user.wait(turn)',
  },
  {
    name: 'a change costs nothing',
    file: 'presence.ts',
    line: 'this.#spend(user, now)\n    user.show()',
    becomes: 'user.show()',
  },
  {
    name: 'what was spent is never earned back',
    file: 'pace.ts',
    line: 'return Math.max(spent, now) + pace.everyMs',
    becomes: 'return Math.max(spent, now) + pace.everyMs + 1_000_000',
  },
  {
    name: 'one change earns the whole burst back',
    file: 'pace.ts',
    line: 'return Math.max(spent, now) + pace.everyMs',
    becomes: 'return now + pace.everyMs',
  },
  {
    name: 'the burst is one too many',
    file: 'pace.ts',
    line: '(pace.burst - 1)',
    becomes: 'pace.burst',
  },
  {
    name: 'what is owed is forgiven with the old debts',
    file: 'presence.ts',
    line: 'if (spent > now || left-- <= 0) return',
    becomes: 'if (left-- <= 0) return',
  },
  {
    name: 'forgetting a user forgives what they owe',
    file: 'presence.ts',
    line: 'this.#users.delete(user.userId)',
    becomes: 'this.#users.delete(user.userId); this.#spent.delete(user.userId)',
  },
  // Forgetting
  {
    name: 'a hidden user is forgotten as if gone',
    file: 'presence.ts',
    line: "return user.presence === 'none'",
    becomes: "return user.shown === 'offline'",
  },
  {
    name: 'who is kept is forgotten one millisecond early',
    file: 'presence.ts',
    line: 'user.lastSeen < now - this.#options.keepMs',
    becomes: 'user.lastSeen <= now - this.#options.keepMs',
  },
  {
    name: 'the newest is forgotten instead of the oldest',
    file: 'presence.ts',
    line: 'user.lastSeen < oldest.lastSeen',
    becomes: 'user.lastSeen > oldest.lastSeen',
  },
  {
    name: 'one more is remembered than is allowed',
    file: 'presence.ts',
    line: 'if (this.#users.size < this.#options.maxKnown) return []',
    becomes: 'if (this.#users.size <= this.#options.maxKnown) return []',
  },
  {
    name: 'who is forgotten is not among the touched',
    file: 'presence.ts',
    line: 'touched: [...touched, ...forgotten]',
    becomes: 'touched',
  },
  // Deadlines
  {
    name: 'the heap does not rise',
    file: 'deadlines.ts',
    line: 'if (above.at <= at) break',
    becomes: 'break',
  },
  {
    name: 'the heap sinks along the later child',
    file: 'deadlines.ts',
    line: '(heap[right] as typeof entry).at < (heap[left] as typeof entry).at',
    becomes: '(heap[right] as typeof entry).at > (heap[left] as typeof entry).at',
  },
  {
    name: 'the heap does not sink',
    file: 'deadlines.ts',
    line: 'if (child.at >= entry.at) break',
    becomes: 'break',
  },
  {
    name: 'a deadline is taken one millisecond late',
    file: 'deadlines.ts',
    line: 'first.at > now',
    becomes: 'first.at >= now',
  },
]

/** Always the same games: a control must not have luck. The last mutant is caught in the 136th. */
const GAMES = { seed: 20_260_101, numRuns: 500, endOnFailure: true }

// A folder of node_modules, so that nothing watches it, lints it or commits it.
const CACHE = join(import.meta.dirname, '../../../node_modules/.cache')
const source = new Map<string, string>()
let folder: string

beforeAll(async () => {
  for (const file of await readdir(import.meta.dirname)) {
    if (file.endsWith('.test.ts') || file.endsWith('.contract.ts')) continue
    source.set(file, await readFile(join(import.meta.dirname, file), 'utf8'))
  }
  await mkdir(CACHE, { recursive: true })
  folder = await mkdtemp(join(CACHE, 'presence-mutants-'))
})

afterAll(() => rm(folder, { recursive: true }))

/** The core as it is in the files, but for that one line. */
async function load(name: string, mutant?: Mutant): Promise<typeof Presence> {
  const home = join(folder, name)
  await mkdir(home)
  for (const [file, text] of source) {
    const isMeant = file === mutant?.file
    await writeFile(join(home, file), isMeant ? text.replace(mutant.line, () => mutant.becomes) : text)
  }
  const module: { Presence: typeof Presence } = await import(join(home, 'presence.ts'))
  return module.Presence
}

function judge(Core: typeof Presence) {
  return fc.check(
    fc.property(game, game => play(Core, game)),
    GAMES,
  )
}

test('the model has no objection to the copied core itself', async () => {
  expect(judge(await load('itself'))).toMatchObject({ failed: false })
})

test.each(MUTANTS.map((mutant, index) => ({ ...mutant, index })))('caught: $name', async mutant => {
  expect(source.get(mutant.file)?.split(mutant.line)).toHaveLength(2)
  const result = judge(await load(`${mutant.index}`, mutant))
  expect(result.failed).toBe(true)
})
