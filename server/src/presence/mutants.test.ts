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
  readonly file: 'presence.ts' | 'user.ts' | 'choice.ts' | 'roll.ts' | 'deadlines.ts' | 'pace.ts'
  /** Stands exactly once in the file. */
  readonly line: string
  readonly becomes: string
}

const MUTANTS: readonly Mutant[] = [
  // The rule of presence
  {
    name: 'a second tab makes a change',
    file: 'presence.ts',
    line: 'if (user.isShown) {',
    becomes: "if (user.isShown && user.shown.status === 'offline') {",
  },
  {
    name: 'closing one of two tabs ends the user',
    file: 'user.ts',
    line: 'return this.#stay !== undefined && this.#stay.sessions.length > 0',
    becomes: 'return this.#stay !== undefined && this.#stay.sessions.length % 2 === 1',
  },
  {
    name: 'an unknown session counts as one that was lost',
    file: 'user.ts',
    line: 'return index < 0 ? undefined : sessions',
    becomes: "return index < 0 ? { id, named: false, isIdle: false, state: 'live' } : sessions",
  },
  {
    name: 'who went offline stays in the count',
    file: 'presence.ts',
    line: "if (status === 'offline') this.#online.delete(user)",
    becomes: "if (status === 'offline') this.#online.add(user)",
  },
  {
    name: 'a change carries the time of its turn',
    file: 'presence.ts',
    line: 'previous, at: now }',
    becomes: 'previous, at: turn }',
  },
  {
    name: 'the list does not stop at its limit',
    file: 'presence.ts',
    line: "      if (user.shown.status !== 'offline') continue\n      if (left-- <= 0) return",
    becomes: "      if (user.shown.status !== 'offline') continue\n      if (left-- < 0) return",
  },
  {
    name: 'a name is not taken',
    file: 'user.ts',
    line: 'this.username = this.#newName ?? this.username',
    becomes: 'this.username ??= this.#newName',
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
    line: "if (lost) this.#stay?.sessions.push({ ...lost, state: 'held', until })",
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
    line: 'if (place >= 0) sessions.splice(place, 1)',
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
    line: 'Math.min(this.#deadlines.next + this.#pausedMs',
    becomes: 'Math.min(this.#deadlines.next + 2 * this.#pausedMs',
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
    line: "if (user.shown.status !== 'offline') this.#online.add(user)\n      this.#deadlines.add(until, user)",
    becomes: "if (user.shown.status !== 'offline') this.#online.add(user)",
  },
  {
    name: 'the restart is a proof of life',
    file: 'presence.ts',
    line: 'Math.min(lastSeen, now)',
    becomes: 'now',
  },
  {
    name: 'a hidden user is shown after a restart',
    file: 'presence.ts',
    line: 'user.restoreChoice({ status, text, expiresAt }, now)',
    becomes: "user.restoreChoice({ status: 'online', text, expiresAt }, now)",
  },
  // Hiding
  {
    name: 'a hidden user’s lastSeen moves',
    file: 'user.ts',
    line: "if (this.#stay.shown.status !== 'offline') this.lastSeen",
    becomes: 'this.lastSeen',
  },
  {
    name: 'the choice survives being gone',
    file: 'user.ts',
    line: 'if (!this.hasSessions && this.#choice.expiresAt === undefined) this.#choice = NO_CHOICE',
    becomes: '',
  },
  {
    name: 'a new session shows who hides',
    file: 'user.ts',
    line: "sessions.push({ id, named, isIdle, state: 'live' })",
    becomes: "sessions.push({ id, named, isIdle, state: 'live' }); this.#choice = NO_CHOICE",
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
    line: 'this.lastSeen = Math.max(this.lastSeen, stay.heard)',
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
    becomes: "if (turn > now && status !== 'offline')",
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
    line: 'this.#spend(user, now)\n    const previous',
    becomes: 'const previous',
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
    becomes: "return user.shown.status === 'offline'",
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
  // Activity
  {
    name: 'idleness is ignored',
    file: 'user.ts',
    line: "this.#choice.status === 'online' && this.isIdle ? 'away'",
    becomes: "this.#choice.status === 'online' && false ? 'away'",
  },
  {
    name: 'one idle session is enough to be away',
    file: 'user.ts',
    line: 'this.#stay?.sessions.every(',
    becomes: 'this.#stay?.sessions.some(',
  },
  {
    name: 'who is busy and idle is away',
    file: 'user.ts',
    line: "this.#choice.status === 'online' && this.isIdle ? 'away'",
    becomes: "this.#choice.status !== 'offline' && this.isIdle ? 'away'",
  },
  {
    name: 'who comes back is active, whatever they were',
    file: 'user.ts',
    line: 'sessions[place]?.isIdle ?? false',
    becomes: 'false',
  },
  {
    name: 'who was away is online after a restart',
    file: 'presence.ts',
    line: 'user.restoreStay(record.idle === true, until)',
    becomes: 'user.restoreStay(false, until)',
  },
  // Choices
  {
    name: 'a choice has no end',
    file: 'presence.ts',
    line: 'const hasFallenBack = user.expire(now)',
    becomes: 'const hasFallenBack = false',
  },
  {
    name: 'a choice with an end is lost with the last session',
    file: 'user.ts',
    line: 'if (!this.hasSessions && this.#choice.expiresAt === undefined)',
    becomes: 'if (!this.hasSessions)',
  },
  {
    name: 'a choice that ended while its user was gone is in force again',
    file: 'user.ts',
    line: 'if (!this.hasSessions) this.expire(now)',
    becomes: '',
  },
  {
    name: 'a pause of the process puts off the end of a choice',
    file: 'presence.ts',
    line: 'this.#expiries.next)',
    becomes: 'this.#expiries.next + this.#pausedMs)',
  },
  {
    name: 'a restored choice has no end',
    file: 'presence.ts',
    line: "this.#expiries.watch(user)\n      if (session === 'none') continue",
    becomes: "if (session === 'none') continue",
  },
  {
    name: 'nobody is told that a choice fell back',
    file: 'presence.ts',
    line: 'if (hasFallenBack && user.hasSessions) choices.push(user.userId)',
    becomes: '',
  },
  {
    name: 'the same choice again is told as another',
    file: 'presence.ts',
    line: 'return isAnother ? {',
    becomes: 'return true ? {',
  },
  {
    name: 'a choice over in the past is taken',
    file: 'presence.ts',
    line: 'hasExpired(choice, now) ? NO_CHOICE : choice',
    becomes: 'choice',
  },
  {
    name: 'the text of a hidden user shows',
    file: 'choice.ts',
    line: "if (status === 'offline' || (text",
    becomes: 'if ((text',
  },
  {
    name: 'a text is no change',
    file: 'user.ts',
    line: 'isSameView(due, this.shown) &&',
    becomes: 'due.status === this.shown.status &&',
  },
  {
    name: 'the name of a hidden user is a change',
    file: 'user.ts',
    line: "(due.status === 'offline' || this.#newName === undefined)",
    becomes: 'this.#newName === undefined',
  },
  {
    name: 'a name waits for the next change of status',
    file: 'user.ts',
    line: "&& (due.status === 'offline' || this.#newName === undefined)",
    becomes: '',
  },
  {
    name: 'a change says nothing of before',
    file: 'presence.ts',
    line: 'const previous = user.shown.status',
    becomes: 'const previous = user.due.status',
  },
  // Sessions
  {
    name: 'a session that comes again is another one',
    file: 'user.ts',
    line: 'named ? sessions.findIndex(session => session.id === id) : -1',
    becomes: '-1',
  },
  {
    name: 'the place of a session with a name is anybody’s',
    file: 'user.ts',
    line: "state === 'held' && !named",
    becomes: "state === 'held'",
  },
  // The roll
  {
    name: 'a page begins one too late',
    file: 'roll.ts',
    line: '.ordinal <= after',
    becomes: '.ordinal <= after + 1',
  },
  {
    name: 'a page leaves one out',
    file: 'roll.ts',
    line: 'this.#users[index - 1]?.ordinal',
    becomes: 'this.#users[index]?.ordinal',
  },
  {
    name: 'who is forgotten is still listed',
    file: 'roll.ts',
    line: '!user.isForgotten && isMeant(user)',
    becomes: 'isMeant(user)',
  },
  {
    name: 'a page has everybody, whatever was asked for',
    file: 'roll.ts',
    line: '!user.isForgotten && isMeant(user)',
    becomes: '!user.isForgotten',
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

/** Always the same games: a control must not have luck. */
const GAMES = { seed: 20_260_101, numRuns: 2_500, endOnFailure: true }

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
