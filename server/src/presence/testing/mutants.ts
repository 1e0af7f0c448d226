/**
 * The negative control of the model: each of these is the core with one line wrong, and the model has to see
 * it. One that is not seen says that the model is too weak, not that the mutant may go.
 */
export interface Mutant {
  readonly name: string
  readonly file:
    | 'presence.ts'
    | 'user.ts'
    | 'choice.ts'
    | 'clock-skew.ts'
    | 'wall-clock.ts'
    | 'user-table.ts'
    | 'expiries.ts'
    | 'deadlines.ts'
    | 'pace.ts'
  /** Stands exactly once in the file. */
  readonly line: string
  readonly becomes: string
}

export const MUTANTS: readonly Mutant[] = [
  // The rule of presence
  {
    name: 'a second tab makes a change',
    file: 'presence.ts',
    line: 'if (user.isShown) {',
    becomes: "if (user.isShown && user.due.status === 'offline') {",
  },
  {
    name: 'closing one of two tabs ends the user',
    file: 'user.ts',
    line: 'return this.#state !== undefined && this.#state.sessions.length > 0',
    becomes: 'return this.#state !== undefined && this.#state.sessions.length % 2 === 1',
  },
  {
    name: 'an unknown session counts as one that was lost',
    file: 'user.ts',
    line: 'return index < 0 ? undefined : sessions.splice(index, 1)[0]',
    becomes: 'return sessions.splice(Math.max(index, 0), 1)[0]',
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
    line: 'status, previous, at: now }',
    becomes: 'status, previous, at: turn }',
  },
  {
    name: 'the list does not stop at its limit',
    file: 'presence.ts',
    line: '!wasSeen(known)) continue\n      if (left-- <= 0) return',
    becomes: '!wasSeen(known)) continue\n      if (left-- < 0) return',
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
    line: '    )\n    this.#deadlines.add(until, user)\n    return',
    becomes: '    )\n    return',
  },
  {
    name: 'a lost session is over at once',
    file: 'user.ts',
    line: "if (lost) this.#state?.sessions.push({ ...lost, state: 'held', until: end })",
    becomes: '',
  },
  {
    name: 'the grace is not applied',
    file: 'presence.ts',
    line: '      Math.max(awake + graceMs, this.#returnUntil),',
    becomes: '      Math.max(awake, this.#returnUntil),',
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
    becomes: 'user.hold(sessionId, this.#wall.awake(now) + 1)',
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
    line: '  suspended(ms: number, now: number): void {\n    this.#wall.leaveOut(ms)',
    becomes: '  suspended(ms: number, now: number): void {',
  },
  {
    name: 'a pause is forgotten when it is asked for the next deadline',
    file: 'wall-clock.ts',
    line: 'return awake + this.#offsetMs',
    becomes: 'return awake + 2 * this.#offsetMs',
  },
  // Restart
  {
    name: 'the restart grace is ignored',
    file: 'presence.ts',
    line: 'Math.max(restartGraceMs, inactiveGraceMs) : restartGraceMs)',
    becomes: 'Math.max(restartGraceMs, inactiveGraceMs) : 0)',
  },
  {
    name: 'a restored user has no deadline',
    file: 'presence.ts',
    line: "if (user.shown.status !== 'offline') this.#online.add(user)\n    this.#deadlines.add(until, user)",
    becomes: "if (user.shown.status !== 'offline') this.#online.add(user)",
  },
  {
    name: 'the restart is a proof of life',
    file: 'presence.ts',
    line: 'const lastSeen = record.lastSeen + moveMs',
    becomes: 'const lastSeen = now',
  },
  {
    name: 'a hidden user is shown after a restart',
    file: 'user.ts',
    line: 'this.#choose(hasExpired(choice, now) ? NO_CHOICE : choice, chosenAt)',
    becomes:
      "this.#choose(hasExpired(choice, now) || choice.status === 'offline' ? NO_CHOICE : choice, chosenAt)",
  },
  // Hiding
  {
    name: 'a hidden user’s lastSeen moves',
    file: 'user.ts',
    line: "if (this.#state.shown.status !== 'offline') this.lastSeen = at",
    becomes: 'this.lastSeen = at',
  },
  {
    name: 'the choice survives being gone',
    file: 'user.ts',
    line: "if (expiresAt === undefined && status !== 'offline') this.#choice = NO_CHOICE",
    becomes: '',
  },
  {
    name: 'a new session shows who hides',
    file: 'user.ts',
    line: "sessions.push({ id, named, isIdle, isInactive: false, state: 'live' })",
    becomes:
      "sessions.push({ id, named, isIdle, isInactive: false, state: 'live' }); this.#choice = NO_CHOICE",
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
    line: 'if (!this.#state || at <= this.#state.heard) return',
    becomes: 'if (!this.#state) return; this.lastSeen = Math.min(this.lastSeen, at)',
  },
  {
    name: 'who is shown again keeps the lastSeen of before',
    file: 'user.ts',
    line: 'if (state.heard > Number.NEGATIVE_INFINITY) this.lastSeen = state.heard\n    } else',
    becomes: '    } else',
  },
  // Pace
  {
    name: 'hiding waits',
    file: 'presence.ts',
    line: 'if (turn > awake && !user.hides)',
    becomes: 'if (turn > awake)',
  },
  {
    name: 'a leaving does not wait',
    file: 'presence.ts',
    line: 'if (turn > awake && !user.hides)',
    becomes: "if (turn > awake && status !== 'offline')",
  },
  {
    name: 'a change that waits has no deadline',
    file: 'presence.ts',
    line: 'if (user.wait(turn)) this.#deadlines.add(turn, user)',
    becomes: 'user.wait(turn)',
  },
  {
    name: 'a change costs nothing',
    file: 'presence.ts',
    line: 'this.#spend(user, awake)\n    const previous',
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
    line: 'if (spent > awake || left-- <= 0) return',
    becomes: 'if (left-- <= 0) return',
  },
  {
    name: 'forgetting a user forgives what they owe',
    file: 'presence.ts',
    line: 'this.#users.forget(known.userId)',
    becomes: 'this.#users.forget(known.userId); this.#spent.delete(known.userId)',
  },
  // Forgetting
  {
    name: 'a hidden user is forgotten as if gone',
    file: 'presence.ts',
    line: "known.liveness === 'none'",
    becomes: "known.shown.status === 'offline'",
  },
  {
    name: 'who is kept is forgotten one millisecond early',
    file: 'presence.ts',
    line: 'this.#wall.lastPresent(known.lastSeen) < before',
    becomes: 'this.#wall.lastPresent(known.lastSeen) <= before',
  },
  {
    name: 'the newest is forgotten instead of the oldest',
    file: 'presence.ts',
    line: 'known.lastSeen < oldest.lastSeen',
    becomes: 'known.lastSeen > oldest.lastSeen',
  },
  {
    name: 'one more is remembered than is allowed',
    file: 'presence.ts',
    line: 'if (this.#users.size < this.#options.maxKnown) return []',
    becomes: 'if (this.#users.size <= this.#options.maxKnown) return []',
  },
  {
    name: 'who is forgotten is not among the dirty',
    file: 'presence.ts',
    line: 'dirty: [...dirty, ...forgotten]',
    becomes: 'dirty',
  },
  // Activity
  {
    name: 'idleness is ignored',
    file: 'user.ts',
    line: "this.#choice.status === 'online' && this.isIdle ? 'away'",
    becomes: "this.#choice.status === 'online' && false ? 'away'",
  },
  {
    name: 'one idle session makes the user away',
    file: 'user.ts',
    line: 'sessions.every(session => session.isIdle)',
    becomes: 'sessions.some(session => session.isIdle)',
  },
  {
    name: 'a user who is idle is away, whatever was chosen',
    file: 'user.ts',
    line: "return this.#choice.status === 'online' && this.isIdle ? 'away'",
    becomes: "return this.#choice.status !== 'offline' && this.isIdle ? 'away'",
  },
  {
    name: 'who comes back is active',
    file: 'user.ts',
    line: 'sessions[place]?.isIdle ?? false',
    becomes: 'false',
  },
  {
    name: 'a held session becomes idle',
    file: 'user.ts',
    line: "const index = sessions.findIndex(session => session.state === 'live' && session.id === id)\n    const session",
    becomes: 'const index = sessions.findIndex(session => session.id === id)\n    const session',
  },
  {
    name: 'a held session counts as active',
    file: 'user.ts',
    line: "{ ...lost, state: 'held', until: end }",
    becomes: "{ ...lost, isIdle: false, state: 'held', until: end }",
  },
  {
    name: 'who was away is online after a restart',
    file: 'presence.ts',
    line: 'record.idle === true',
    becomes: 'false',
  },
  // Sessions with a name
  {
    name: 'a session that comes again under its name is counted twice',
    file: 'user.ts',
    line: 'named ? sessions.findIndex(session => session.id === id) : -1',
    becomes: "named ? sessions.findIndex(session => session.state === 'held' && session.id === id) : -1",
  },
  {
    name: 'a named session takes the nameless place before its own',
    file: 'user.ts',
    line: 'const place = own >= 0 ? own : sessions',
    becomes: "const place = own >= 0 && sessions[own]?.state === 'live' ? own : sessions",
  },
  {
    name: 'a newcomer takes the place of a named session',
    file: 'user.ts',
    line: "state === 'held' && !named)",
    becomes: "state === 'held' || named)",
  },
  {
    name: 'a newcomer takes the place that a named session holds',
    file: 'user.ts',
    line: "=> state === 'held' && !named",
    becomes: "=> state === 'held'",
  },
  {
    name: 'a place that was taken by a name stays nameless',
    file: 'user.ts',
    line: 'sessions.push({ id, named, isIdle',
    becomes: 'sessions.push({ id, named: false, isIdle',
  },
  // The end of a choice
  {
    name: 'a choice never ends',
    file: 'choice.ts',
    line: 'return expiresAt !== undefined && expiresAt <= now',
    becomes: 'return false',
  },
  {
    name: 'a choice ends one millisecond late',
    file: 'choice.ts',
    line: 'expiresAt <= now',
    becomes: 'expiresAt < now',
  },
  {
    name: 'nobody looks for the end of a choice',
    file: 'presence.ts',
    line: 'this.#takeExpired(now) ?? this.#deadlines.take(awake)',
    becomes: 'this.#deadlines.take(awake)',
  },
  {
    name: 'a choice with an end is not in force again',
    file: 'user.ts',
    line: "if (expiresAt === undefined && status !== 'offline') this.#choice = NO_CHOICE",
    becomes: "if (status !== 'offline') this.#choice = NO_CHOICE",
  },
  {
    name: 'a choice with an end is not kept over a restart by who is gone',
    file: 'presence.ts',
    line: 'const hasChoice = !isGone || expiresAt !== undefined ||',
    becomes: 'const hasChoice = !isGone ||',
  },
  {
    name: 'a restored choice never ends',
    file: 'presence.ts',
    line: '    this.#watch(user)\n    if (isGone)',
    becomes: '    if (isGone)',
  },
  {
    name: 'who returns before anybody looked has a choice that is over',
    file: 'presence.ts',
    line: 'if (!user.hasSessions) this.#expire(user, now)',
    becomes: '',
  },
  {
    name: 'who returns loses a choice that is not over',
    file: 'presence.ts',
    line: 'if (!user.hasSessions) this.#expire(user, now)',
    becomes: 'if (!user.hasSessions) user.expire(Number.POSITIVE_INFINITY)',
  },
  {
    name: 'a pause puts off the end of a choice',
    file: 'presence.ts',
    line: 'this.#expiries.take(this.#wall.choiceTime(now))',
    becomes: 'this.#expiries.take(this.#wall.awake(now))',
  },
  {
    name: 'the end of a choice is slept through',
    file: 'presence.ts',
    line: '      this.#expiries.next + this.#wall.aheadMs,\n',
    becomes: '',
  },
  {
    name: 'an end before now is taken',
    file: 'presence.ts',
    line: 'hasExpired(choice, this.#wall.choiceTime(now)) ? { ...choice, ...ENDED } : choice',
    becomes: 'choice',
  },
  // Who is told of their own choice
  {
    name: 'a choice is not reported',
    file: 'presence.ts',
    line: '{ ...outcome, choices: [userId] }',
    becomes: 'outcome',
  },
  {
    name: 'a choice that is no other is reported',
    file: 'user.ts',
    line: 'if (isSameChoice(choice, this.#choice)) return false',
    becomes: 'if (isSameChoice(choice, this.#choice)) return true',
  },
  {
    name: 'the end of a choice is not reported',
    file: 'presence.ts',
    line: 'if (hasFallenBack && user.hasSessions) choices',
    becomes: 'if (false) choices',
  },
  {
    name: 'the end of a choice is reported of those who are gone',
    file: 'presence.ts',
    line: 'if (hasFallenBack && user.hasSessions) choices',
    becomes: 'if (hasFallenBack) choices',
  },
  {
    name: 'what somebody who is gone had chosen is told',
    file: 'presence.ts',
    line: 'user?.hasSessions ? user.choice',
    becomes: 'user ? user.choice',
  },
  // The view: text, end and name
  {
    name: 'the text of a hidden user is seen',
    file: 'choice.ts',
    line: "if (status === 'offline' || (text",
    becomes: 'if ((text',
  },
  {
    name: 'another text is no change',
    file: 'choice.ts',
    line: 'one.status === other.status && one.text === other.text && one.expiresAt === other.expiresAt)',
    becomes: 'one.status === other.status && one.expiresAt === other.expiresAt)',
  },
  {
    name: 'another end is no change',
    file: 'choice.ts',
    line: 'one.text === other.text && one.expiresAt === other.expiresAt)',
    becomes: 'one.text === other.text)',
  },
  {
    name: 'a name is seen at once',
    file: 'user.ts',
    line: 'this.#newName = username === this.username ? undefined : ownCopy(username)',
    becomes: 'this.username = username',
  },
  {
    name: 'the name of a hidden user is seen',
    file: 'user.ts',
    line: 'state.turn = 0\n    if (state.shown',
    becomes: 'state.turn = 0\n    this.username = this.#newName ?? this.username\n    if (state.shown',
  },
  {
    name: 'a name alone is no change',
    file: 'user.ts',
    line: "(due.status === 'offline' || this.#newName === undefined)",
    becomes: 'true',
  },
  {
    name: 'the name of a hidden user is a change',
    file: 'user.ts',
    line: "(due.status === 'offline' || this.#newName === undefined)",
    becomes: 'this.#newName === undefined',
  },
  {
    name: 'the old name, taken again, still waits',
    file: 'user.ts',
    line: 'username === this.username ? undefined : ownCopy(username)',
    becomes: 'username',
  },
  {
    name: 'an arrival and its name are two changes',
    file: 'presence.ts',
    line: 'if (username !== undefined) user.rename(username)\n    const isOther',
    becomes:
      'const first = this.#settle(user, now)\n    if (username !== undefined) user.rename(username)\n    if (first.changes.length > 0) return first\n    const isOther',
  },
  {
    name: 'a change carries what is, not what was',
    file: 'presence.ts',
    line: 'const previous = user.shown.status',
    becomes: 'const previous = user.due.status',
  },
  // Who is gone, and comes to rest
  {
    name: 'who leaves rests though a name waits',
    file: 'user.ts',
    line: 'this.#state === undefined &&\n      this.#newName === undefined &&\n      this.#chosenAt === 0 &&\n      isPlain(this.#choice)',
    becomes: 'this.#state === undefined && this.#chosenAt === 0 && isPlain(this.#choice)',
  },
  {
    name: 'who leaves rests though a choice has its end ahead',
    file: 'user.ts',
    line: 'this.#state === undefined &&\n      this.#newName === undefined &&\n      this.#chosenAt === 0 &&\n      isPlain(this.#choice)',
    becomes: 'this.#state === undefined && this.#newName === undefined && this.#chosenAt === 0',
  },
  {
    name: 'a user who has lost the last session rests',
    file: 'user.ts',
    line: 'this.#state === undefined &&\n      this.#newName === undefined &&\n      this.#chosenAt === 0 &&\n      isPlain(this.#choice)',
    becomes:
      "this.#state?.sessions.some(session => session.state === 'live') !== true && this.#newName === undefined && this.#chosenAt === 0 && isPlain(this.#choice)",
  },
  {
    name: 'a user who is not seen rests',
    file: 'user.ts',
    line: 'this.#state === undefined &&\n      this.#newName === undefined &&\n      this.#chosenAt === 0 &&\n      isPlain(this.#choice)',
    becomes:
      "this.shown.status === 'offline' && this.#newName === undefined && this.#chosenAt === 0 && isPlain(this.#choice)",
  },
  {
    name: 'who rests has no name',
    file: 'presence.ts',
    line: 'user.lastSeen, user.username)',
    becomes: 'user.lastSeen, undefined)',
  },
  {
    name: 'who rests was last seen when that began',
    file: 'presence.ts',
    line: 'const changes = this.#show(user, now)',
    becomes: 'const changes = this.#show(user, now); if (user.isArchivable) user.lastSeen = now',
  },
  {
    name: 'who wakes has no name',
    file: 'presence.ts',
    line: 'new User(userId, lastSeen, username === undefined ? {} : { username })',
    becomes: 'new User(userId, lastSeen)',
  },
  {
    name: 'who wakes was never seen',
    file: 'presence.ts',
    line: 'new User(userId, lastSeen, username === undefined ? {} : { username })',
    becomes: 'new User(userId, 0, username === undefined ? {} : { username })',
  },
  {
    name: 'who wakes is another user beside the row',
    file: 'presence.ts',
    line: '{} : { username })\n    this.#users.put(user)',
    becomes: '{} : { username })',
  },
  {
    name: 'who is here already wakes once more',
    file: 'presence.ts',
    line: 'if (known instanceof User) return known\n',
    becomes: '',
  },
  {
    name: 'who rests has a name that somebody else had',
    file: 'user-table.ts',
    line: '    this.#usernames[place] = username',
    becomes: '    this.#usernames[place] ??= username',
  },
  {
    name: 'who was gone is restored without a name',
    file: 'presence.ts',
    line: 'this.#users.archive(userId, lastSeen, username)',
    becomes: 'this.#users.archive(userId, lastSeen, undefined)',
  },
  {
    name: 'a choice with an end rests after a restart',
    file: 'presence.ts',
    line: 'const isKept = expiresAt !== undefined || keptHidden',
    becomes: 'const isKept = keptHidden',
  },
  {
    name: 'a name that waits is lost in a restart',
    file: 'presence.ts',
    line: 'isGone && !isKept && newUsername === undefined',
    becomes: 'isGone && !isKept',
  },
  {
    name: 'who was hidden is gone after a restart',
    file: 'presence.ts',
    line: "const isGone = session === 'none'",
    becomes: "const isGone = session === 'none' || status === 'offline'",
  },
  {
    name: 'who is gone is named again for the name they have',
    file: 'presence.ts',
    line: 'known.newName : undefined) ?? known.username',
    becomes: 'known.newName : undefined)',
  },
  {
    name: 'who returned is taken for who was due before',
    file: 'presence.ts',
    line: 'if (this.#users.active(user.userId) !== user) continue',
    becomes: 'if (this.#users.active(user.userId) === undefined) continue',
  },
  {
    name: 'who was due and has rested since is woken',
    file: 'presence.ts',
    line: 'if (this.#users.active(user.userId) !== user) continue',
    becomes: 'if (this.#users.get(user.userId) === undefined) continue',
  },
  // Places
  {
    name: 'who was forgotten still has a place',
    file: 'user-table.ts',
    line: '    this.#users[place] = undefined\n',
    becomes: '',
  },
  {
    name: 'a place is given to a second user while the first has it',
    file: 'user-table.ts',
    line: 'this.#free.pop() ?? this.#users.length',
    becomes: 'this.#free.at(-1) ?? this.#users.length',
  },
  {
    name: 'who rests moves to another place',
    file: 'user-table.ts',
    line: 'const place = this.#places.get(userId) ?? this.#take(userId)',
    becomes:
      "const old = typeof user === 'string' ? this.#places.get(userId) : undefined\n    if (old !== undefined) this.#users[old] = undefined\n    const place = (old === undefined ? this.#places.get(userId) : undefined) ?? this.#take(userId)",
  },
  {
    name: 'who wakes moves to another place',
    file: 'user-table.ts',
    line: 'const place = this.#places.get(userId) ?? this.#take(userId)',
    becomes:
      "const old = typeof user === 'object' ? this.#places.get(userId) : undefined\n    if (old !== undefined) this.#users[old] = undefined\n    const place = (old === undefined ? this.#places.get(userId) : undefined) ?? this.#take(userId)",
  },
  {
    name: 'the walk goes round once',
    file: 'user-table.ts',
    line: '    if (!step || step.done) {',
    becomes: '    if (!step) {',
  },
  // Paging
  {
    name: 'a page repeats the last one of the page before',
    file: 'presence.ts',
    line: 'next: place < this.#users.end ? place : undefined',
    becomes: 'next: place < this.#users.end ? place - 1 : undefined',
  },
  {
    name: 'a page leaves one out',
    file: 'presence.ts',
    line: 'next: place < this.#users.end ? place : undefined',
    becomes: 'next: place < this.#users.end ? place + 1 : undefined',
  },
  {
    name: 'a page has one too many',
    file: 'presence.ts',
    line: 'users.length < limit',
    becomes: 'users.length <= limit',
  },
  {
    name: 'a page ends where somebody is left',
    file: 'presence.ts',
    line: 'next: place < this.#users.end ?',
    becomes: 'next: place + 1 < this.#users.end ?',
  },
  {
    name: 'who was forgotten is on a page',
    file: 'user-table.ts',
    line: "    if (typeof user !== 'string') return user\n",
    becomes:
      "    if (typeof user === 'object') return user\n    if (user === undefined) return { userId: 'nobody', lastSeen: 0, username: undefined }\n",
  },
  {
    name: 'a page does not ask whom it is to have',
    file: 'presence.ts',
    line: 'if (status === undefined || viewOf(known).status === status) users',
    becomes: 'users',
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
  // A hiding that outlives a lost line
  {
    name: 'a hidden user whose line was lost is shown on returning',
    file: 'user.ts',
    line: "if (expiresAt === undefined && status !== 'offline') this.#choice = NO_CHOICE",
    becomes: 'if (expiresAt === undefined) this.#choice = NO_CHOICE',
  },
  {
    name: 'leaving on purpose does not end a hiding',
    file: 'user.ts',
    line: 'if (!this.#take(id) || this.hasSessions) return\n    if (',
    becomes: 'if (!this.#take(id) || this.hasSessions) return\n    if (false && ',
  },
  {
    name: 'closing one of two tabs ends a hiding',
    file: 'user.ts',
    line: 'if (!this.#take(id) || this.hasSessions) return',
    becomes: 'if (!this.#take(id)) return',
  },
  {
    name: 'a hiding is kept for ever',
    file: 'user.ts',
    line: 'if (this.#keptUntil === 0 || this.#keptUntil > awake) return',
    becomes: 'return',
  },
  {
    name: 'a hiding is kept one millisecond longer',
    file: 'user.ts',
    line: 'this.#keptUntil > awake) return',
    becomes: 'this.#keptUntil >= awake) return',
  },
  {
    name: 'nobody looks for the end of a hiding',
    file: 'presence.ts',
    line: 'if (user.keptUntil !== before) this.#kept.set(user, user.keptUntil)',
    becomes: '',
  },
  {
    name: 'a hiding is not kept over a restart',
    file: 'presence.ts',
    line: 'expiresAt !== undefined || keptHidden === true\n',
    becomes: 'expiresAt !== undefined\n',
  },
  {
    name: 'a hiding restored is kept for ever',
    file: 'presence.ts',
    line: '        this.#kept.set(user, user.keptUntil)\n      }',
    becomes: '      }',
  },
  {
    name: 'a user who will be hidden is forgotten',
    file: 'presence.ts',
    line: "(known.liveness === 'none' && !known.isKeptHidden)",
    becomes: "known.liveness === 'none'",
  },
  {
    name: 'the return of a user does not end the time of keeping',
    file: 'user.ts',
    line: '    this.#keptUntil = 0\n    const { sessions }',
    becomes: '    const { sessions }',
  },
  // What a session begins with
  {
    name: 'an older choice replaces a newer one',
    file: 'user.ts',
    line: 'return madeAt > this.#chosenAt',
    becomes: 'return madeAt >= 0',
  },
  {
    name: 'the same choice said again counts as a newer one',
    file: 'user.ts',
    line: 'if (madeAt === this.#chosenAt) return isPlain(this.#choice)',
    becomes: 'if (madeAt === this.#chosenAt) return true',
  },
  {
    name: 'a choice from the future replaces one that is known',
    file: 'user.ts',
    line: 'if (madeAt > now + CLOCK_TOLERANCE_MS) return this.#chosenAt === 0',
    becomes: 'if (madeAt > now + CLOCK_TOLERANCE_MS) return true',
  },
  {
    name: 'a choice from the future never counts',
    file: 'user.ts',
    line: 'if (madeAt > now + CLOCK_TOLERANCE_MS) return this.#chosenAt === 0',
    becomes: 'if (madeAt > now + CLOCK_TOLERANCE_MS) return false',
  },
  {
    name: 'a choice said without its time is old',
    file: 'user.ts',
    line: 'if (madeAt === undefined) return this.choose(choice, now)',
    becomes: 'if (madeAt === undefined) return this.choose(choice, 1)',
  },
  {
    name: 'a choice is as old as the session',
    file: 'user.ts',
    line: 'return this.hasSessions && this.#choose(choice, now === this.#chosenAt ? now + 1 : now)',
    becomes: 'return this.hasSessions && this.#choose(choice, this.#chosenAt)',
  },
  {
    name: 'a session begins visible and hides then',
    file: 'presence.ts',
    line: 'const isOther = choice !== undefined',
    becomes:
      'const first = this.#settle(user, now).changes\n    if (first.length > 0) return { changes: first, dirty: [userId], choices: [] }\n    const isOther = choice !== undefined',
  },
  {
    name: 'the end of the choice of an arrival is not watched',
    file: 'presence.ts',
    line: 'if (isOther) this.#chosen(user, now)',
    becomes: '',
  },
  {
    name: 'the time of a choice is forgotten with the choice',
    file: 'user.ts',
    line: 'if (!isPlain(this.#choice) || this.#chosenAt > 0) this.#keptUntil = keptUntil',
    becomes: 'if (isPlain(this.#choice)) this.#chosenAt = 0\n    else this.#keptUntil = keptUntil',
  },
  {
    name: 'the time of a choice is lost in a restart',
    file: 'presence.ts',
    line: 'const { chosenAt = 0, keptHidden } = record',
    becomes: 'const { keptHidden } = record\n    const chosenAt = 0',
  },
  // Inactive sessions
  {
    name: 'an inactive session is held no longer than others',
    file: 'user.ts',
    line: 'const end = lost?.isInactive ? inactiveUntil : until',
    becomes: 'const end = until',
  },
  {
    name: 'every session is held as long as an inactive one',
    file: 'user.ts',
    line: 'const end = lost?.isInactive ? inactiveUntil : until',
    becomes: 'const end = inactiveUntil',
  },
  {
    name: 'an inactive session is held no longer after a restart',
    file: 'presence.ts',
    line: 'const isInactive = record.inactive === true',
    becomes: 'const isInactive = false',
  },
  {
    name: 'inactive is what all sessions are',
    file: 'user.ts',
    line: 'sessions.some(session => session.isInactive)',
    becomes: 'sessions.every(session => session.isInactive)',
  },
  {
    name: 'a session that returns is still inactive',
    file: 'user.ts',
    line: 'isIdle, isInactive: false, state',
    becomes: 'isIdle, isInactive: sessions.some(session => session.isInactive), state',
  },
  // The wall clock is set
  {
    name: 'a jump runs down graces',
    file: 'wall-clock.ts',
    line: '  jump(ms: number, now: number): boolean {\n    this.#offsetMs += ms',
    becomes: '  jump(ms: number, now: number): boolean {\n    this.#offsetMs += 0 * ms',
  },
  {
    name: 'what was stamped stays where the clock was',
    file: 'presence.ts',
    line: 'known.moveStamps(ms)',
    becomes: '',
  },
  {
    name: 'what an earlier process stamped moves with the clock',
    file: 'user.ts',
    line: 'if (isVisible && this.isStampedHere) this.lastSeen += ms',
    becomes: 'if (isVisible) this.lastSeen += ms',
  },
  {
    name: 'the lastSeen of a hidden user moves with the clock',
    file: 'user.ts',
    line: "const isVisible = state.shown.status !== 'offline'\n    if (isVisible &&",
    becomes: 'const isVisible = true\n    if (isVisible &&',
  },
  {
    name: 'what was stamped while the clock was wrong stays wrong',
    file: 'presence.ts',
    line: 'dirty.push(...this.#setStampsRight())',
    becomes: 'this.#stampedOff.clear()',
  },
  {
    name: 'what was stamped before the clock was wrong is set right too',
    file: 'presence.ts',
    line: "status === 'offline' && this.#wall.isOff && user",
    becomes: "status === 'offline' && user",
  },
  {
    name: 'a user who returned since is set right too',
    file: 'presence.ts',
    line: 'else this.#stampedOff.delete(user.userId)',
    becomes: '',
  },
  {
    name: 'it is not noted whose lastSeen was set right',
    file: 'presence.ts',
    line: 'known.lastSeen + jumpedMs - jumpedThen)\n      dirty.push(userId)',
    becomes: 'known.lastSeen + jumpedMs - jumpedThen)',
  },
  {
    name: 'it is not noted whose lastSeen moved',
    file: 'presence.ts',
    line: 'if (known.lastSeen !== lastSeen) dirty.push(known.userId)',
    becomes: '',
  },
  {
    name: 'somebody was last seen in the future',
    file: 'wall-clock.ts',
    line: 'return lastSeen <= this.#now ? lastSeen : Math.min(this.#now, lastSeen - (this.#setBack?.byMs ?? 0))',
    becomes: 'return lastSeen',
  },
  {
    name: 'a clock that is ahead ends choices',
    file: 'clock-skew.ts',
    line: 'return this.isOff ? Math.max(0, this.#jumpedMs - this.#rightMs) : 0',
    becomes: 'return 0',
  },
  {
    name: 'a clock that is behind at the start is believed',
    file: 'clock-skew.ts',
    line: 'if (aheadMs >= -TOLERANCE_MS && aheadMs <= LONGEST_ABSENCE_MS) return',
    becomes: 'return',
  },
  {
    name: 'a clock that jumps is right at once',
    file: 'clock-skew.ts',
    line: 'return wasOff && !this.isOff',
    becomes: 'return true',
  },
  {
    name: 'a clock that is behind is right after any jump',
    file: 'clock-skew.ts',
    line: 'if (this.#isEstimate && aheadMs >= -TOLERANCE_MS && (wasBehind || aheadMs <= LONGEST_ABSENCE_MS)) {',
    becomes: 'if (this.#isEstimate) {',
  },
  {
    name: 'a clock that is ahead makes users forgotten',
    file: 'presence.ts',
    line: 'Math.min(now, this.knownTime(now)) - this.#options.keepMs',
    becomes: 'now - this.#options.keepMs',
  },
  {
    name: 'time in which the process was suspended is known to have passed',
    file: 'wall-clock.ts',
    line: 'return this.#known ? this.#known.time + this.awake(now) - this.#known.at : now',
    becomes: 'return this.#known ? Math.max(now, this.#known.time + this.awake(now) - this.#known.at) : now',
  },
  // The way back after a suspension
  {
    name: 'a choice that ended with the state is not in force again',
    file: 'user.ts',
    line: 'if (madeAt === this.#chosenAt) return isPlain(this.#choice)',
    becomes: 'if (madeAt === this.#chosenAt) return false',
  },
  {
    name: 'two choices of one millisecond have one time',
    file: 'user.ts',
    line: 'now === this.#chosenAt ? now + 1 : now',
    becomes: 'now',
  },
  {
    name: 'a choice from the future keeps its time',
    file: 'user.ts',
    line: 'Math.min(madeAt, now)',
    becomes: 'madeAt',
  },
  {
    name: 'who is lost when the process goes on has no more time',
    file: 'presence.ts',
    line: 'known.holdLonger(until)) this.#deadlines.add(until, known)',
    becomes: 'false) this.#deadlines.add(until, known)',
  },
  {
    name: 'nobody looks when that time is over',
    file: 'presence.ts',
    line: 'if (known instanceof User && known.holdLonger(until)) this.#deadlines.add(until, known)',
    becomes: 'if (known instanceof User) known.holdLonger(until)',
  },
  {
    name: 'who is lost after that has no more time',
    file: 'presence.ts',
    line: 'this.#returnUntil = until',
    becomes: 'void until',
  },
  {
    name: 'any suspension gives more time',
    file: 'presence.ts',
    line: 'this.#wall.leaveOut(ms)\n    if (ms >= this.#options.noticedMs) this.#awaitReturn(now)',
    becomes: 'this.#wall.leaveOut(ms)\n    this.#awaitReturn(now)',
  },
  {
    name: 'more time is less for an inactive session',
    file: 'user.ts',
    line: 'session.until >= until) continue',
    becomes: 'false) continue',
  },
  // A wall clock that is wrong
  {
    name: 'after a pause of the machine there is no time to come back',
    file: 'presence.ts',
    line: 'const isRight = this.#wall.jump(ms, now)\n    if (ms >= this.#options.noticedMs) this.#awaitReturn(now)',
    becomes: 'const isRight = this.#wall.jump(ms, now)',
  },
  {
    name: 'a clock that is set back gives time to come back',
    file: 'presence.ts',
    line: 'const isRight = this.#wall.jump(ms, now)\n    if (ms >= this.#options.noticedMs) this.#awaitReturn(now)',
    becomes:
      'const isRight = this.#wall.jump(ms, now)\n    if (Math.abs(ms) >= this.#options.noticedMs) this.#awaitReturn(now)',
  },
  {
    name: 'a stored time in the future counts more than a sign of life',
    file: 'user.ts',
    line: "if (this.#state.shown.status !== 'offline') this.lastSeen = at",
    becomes: "if (this.#state.shown.status !== 'offline') this.lastSeen = Math.max(this.lastSeen, at)",
  },
  {
    name: 'what was stamped by a clock that is behind is stored as it is',
    file: 'presence.ts',
    line: 'const lastSeen = known.lastSeen + this.#behindMs(known)',
    becomes: 'const lastSeen = known.lastSeen',
  },
  {
    name: 'what was stamped by a clock that is behind is stored right only for users who are present',
    file: 'presence.ts',
    line: 'if (jumpedThen !== undefined) return this.#wall.behindMs(jumpedThen)',
    becomes: '',
  },
  {
    name: 'what was stamped by a clock that is behind is stored right only for users who left',
    file: 'presence.ts',
    line: 'return isSeenNow ? this.#wall.behindMs() : 0',
    becomes: 'return 0',
  },
  {
    name: 'all timestamps in the future are now',
    file: 'wall-clock.ts',
    line: 'Math.min(this.#now, lastSeen - (this.#setBack?.byMs ?? 0))',
    becomes: 'this.#now',
  },
  {
    name: 'a clock that was set back is not compared with what was stored',
    file: 'wall-clock.ts',
    line: 'this.#latest = latestTime\n',
    becomes: 'this.#latest = now\n',
  },
  {
    name: 'timestamps in the future stay so for ever',
    file: 'presence.ts',
    line: 'if (this.#wall.isSetBackForGood(now)) {',
    becomes: 'if (now < 0) {',
  },
  {
    name: 'timestamps in the future are replaced although the clock may be behind',
    file: 'wall-clock.ts',
    line: ' && now >= this.knownTime(now) - TOLERANCE_MS',
    becomes: '',
  },
  {
    name: 'it is not noted whose timestamp in the future was replaced',
    file: 'presence.ts',
    line: 'this.#setLastSeen(known, lastSeen)\n        dirty.push(known.userId)',
    becomes: 'this.#setLastSeen(known, lastSeen)',
  },
  {
    name: 'it is not noted whose stored time is another when a clock is believed',
    file: 'presence.ts',
    line: 'dirty.push(...this.#stampedOff.keys())',
    becomes: '',
  },
  {
    name: 'it is not noted which users who are present have another stored time when a clock is believed',
    file: 'presence.ts',
    line: 'if (this.#wall.behindMs() > 0) for',
    becomes: 'if (now < 0) for',
  },
  {
    name: 'no clock is ever believed',
    file: 'clock-skew.ts',
    line: 'awake - this.#offSince >= BELIEVE_MS',
    becomes: 'awake < 0',
  },
  {
    name: 'a clock that is far ahead at the start is believed',
    file: 'clock-skew.ts',
    line: ' && aheadMs <= LONGEST_ABSENCE_MS) return',
    becomes: ') return',
  },
  {
    name: 'a choice that was made while the clock was ahead ends late',
    file: 'presence.ts',
    line: 'user.isChoiceByWall = this.#wall.aheadMs > 0 && ',
    becomes: 'user.isChoiceByWall = now < 0 && ',
  },
  {
    name: 'an end by the right clock comes at once while the clock is ahead',
    file: 'presence.ts',
    line: 'this.#wall.aheadMs > 0 && (user.choice.expiresAt ?? 0) > now',
    becomes: 'this.#wall.aheadMs > 0',
  },
  {
    name: 'a second jump ends a choice that was made after the first',
    file: 'presence.ts',
    line: 'known.isChoiceByWall = false\n',
    becomes: '\n',
  },
  // Users whom nobody has seen
  {
    name: 'a user who was always hidden is listed',
    file: 'presence.ts',
    line: ' || !wasSeen(known)) continue\n      if (left',
    becomes: ') continue\n      if (left',
  },
  {
    name: 'a user who was always hidden is paged',
    file: 'presence.ts',
    line: 'if (!known || !wasSeen(known)) continue',
    becomes: 'if (!known) continue',
  },
  {
    name: 'a user who was always hidden has a lastSeen',
    file: 'presence.ts',
    line: 'return known && wasSeen(known)\n',
    becomes: 'return known\n',
  },
  {
    name: 'after a restart a user who was always hidden is seen',
    file: 'presence.ts',
    line: 'wasSeen: record.unseen !== true',
    becomes: 'wasSeen: true',
  },
  {
    name: 'a user who was always hidden is known for ever',
    file: 'presence.ts',
    line: 'if (!user.wasSeen) {',
    becomes: 'if (user.lastSeen < 0) {',
  },
  // Users who are kept hidden
  {
    name: 'a user who is kept hidden is never forgotten for a newcomer',
    file: 'presence.ts',
    line: 'oldest ??= keptLongest',
    becomes: '',
  },
  {
    name: 'a user who is kept hidden is forgotten before others',
    file: 'presence.ts',
    line: 'oldest ??= keptLongest',
    becomes: 'oldest = keptLongest ?? oldest',
  },
  {
    name: 'a user who returns is still waited for',
    file: 'presence.ts',
    line: 'user.open(session, now)\n    this.#kept.delete(user)',
    becomes: 'user.open(session, now)',
  },
  {
    name: 'the end of a hiding is slept through',
    file: 'presence.ts',
    line: 'Math.min(this.#deadlines.next, keptUntil)',
    becomes: 'this.#deadlines.next',
  },
]
