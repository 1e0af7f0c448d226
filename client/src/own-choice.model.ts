import type { PresenceClient } from './api.ts'
import type { MyStatus } from './choice.ts'
import type { Choice } from './choices.fake.ts'
import { STATUSES } from './protocol.ts'
import { isSame } from './same.ts'
import type { FakeServer } from './server.fake.ts'

/**
 * Longest delay of a welcome in the simulation, in ms: the client's idea of the server's time is late by as
 * much.
 */
const WELCOME_DELAY_MS = 12_000

/** How late an expired choice may be sent, in ms: the delay of a welcome and the duration of an attempt. */
const LATE_MS = 23_000

/** What the user wants: the last choice, of this device or of another one. */
interface Intent extends MyStatus {
  readonly isOwn: boolean
  /** Whether this device has received it. */
  isReceived: boolean
  /** Whether the server has answered. */
  isAnswered: boolean
  readonly at: number
  /** What this device knows as long as it has not received this one; undefined if that is uncertain. */
  readonly before?: Intent | undefined
  /** How many choices the server had forgotten at that time. */
  readonly forgotten?: number
}

/** The steps of the simulation for the user's own status. */
export interface ChoiceModel {
  /** The user chooses on this device. */
  choose(): void
  /** The user chooses on another device. */
  chooseElsewhere(): void
  /** The other device connects again and sends its choice again. */
  repeatElsewhere(): void
  /** Compares the choice of the user, the client and the server. */
  compare(): void
}

/** Models a user who chooses here and on another device. Adds what goes wrong to `violations`. */
export function choiceModel(
  client: PresenceClient,
  server: FakeServer,
  violations: string[],
  random: () => number,
): ChoiceModel {
  const pick = <Item>(items: readonly Item[]): Item => items[Math.floor(random() * items.length)] as Item
  let intent: Intent | undefined
  /** The last choice of this device. */
  let last: Intent | undefined
  /** When the client last sent the text of a choice again. */
  let textSentAt = 0
  /** The last hiding that the server had not answered before the next choice. */
  let unansweredHiding: Intent | undefined
  let texts = 0
  let wasOpen = false
  /** The last choice of the other device. */
  let other: Choice | undefined
  const now = (): number => server.clock.now()
  const isOver = ({ expiresAt }: MyStatus): boolean => Date.parse(expiresAt ?? '') <= now()
  const isHidden = (): boolean => !!intent?.isOwn && intent.status === 'offline' && !isOver(intent)

  function randomChoice(): MyStatus {
    const status = pick(STATUSES)
    const text = random() < 0.6 ? `text ${++texts}` : undefined
    const endsIn = pick([undefined, undefined, 3_000, 30_000])
    return { status, text, expiresAt: endsIn ? new Date(now() + endsIn).toISOString() : undefined }
  }

  /** Returns whether the server may have this choice if the user wants that one. */
  function isAllowed(wanted: Intent, known: MyStatus): boolean {
    if (isOver(wanted) || isSame(plain(wanted), known)) return true
    // A plain `online` is not sent after a welcome, so the client cannot know that it is its own: the text is
    // not sent again.
    const isPlain = isSame(plain({ status: 'online' }), known)
    if (isPlain && isSame({ ...plain(wanted), text: undefined }, known)) return true
    // The client has the server's time from a late welcome: a hiding on another device may count as the later one.
    const isClose = other?.status === 'offline' && wanted.at - other.at < WELCOME_DELAY_MS
    // A hiding that was sent with an abandoned attempt may reach the server late, and counts as made then.
    const late = isClose ? other : unansweredHiding
    if (wanted.isOwn) return !!late && (isOver(late) || isSame(plain({ ...late, text: known.text }), known))
    const { before, forgotten = 0 } = wanted
    // The text for the choice in the URL was already in flight.
    if (Math.abs(wanted.at - textSentAt) < WELCOME_DELAY_MS) return true
    return !wanted.isReceived && forgotten < server.choices.forgotten && (!before || isAllowed(before, known))
  }

  server.onRequest = request => {
    if (request.type === 'set_status' && request.status !== 'offline' && isHidden())
      violations.push('a request showed a user who hid')
    if (request.type === 'set_status' && last?.isAnswered) textSentAt = now()
  }
  client.onMyStatus(status => {
    if (intent && isSame(plain(intent), plain(status))) intent.isReceived = true
  })
  client.onConnectionChange(state => {
    if (state === 'connecting') server.urls.length = 0
    if (state !== 'open') return
    const query = new URL(server.urls.at(-1) ?? 'ws://none').searchParams
    const [status, expiresAt, chosenAt] = ['status', 'expiresAt', 'chosenAt'].map(name => query.get(name))
    if (isHidden() && status !== 'offline') violations.push('a URL showed a user who hid')
    if (status && !chosenAt && intent?.isOwn && intent.isAnswered)
      violations.push('an old choice was sent as a new one')
    if (wasOpen && expiresAt && Date.parse(expiresAt) < now() - LATE_MS)
      violations.push('an expired choice was sent')
    wasOpen = true
  })

  return {
    choose() {
      const choice = randomChoice()
      const own: Intent = { ...choice, isOwn: true, isReceived: true, isAnswered: false, at: now() }
      intent = own
      if (last?.status === 'offline' && !last.isAnswered) unansweredHiding = last
      last = own
      client.setStatus(choice.status, choice).then(
        () => {
          own.isAnswered = true
        },
        error => {
          // After a timeout the server may have it.
          if (error.code !== 'timeout' && intent === own) intent = undefined
        },
      )
    },
    chooseElsewhere() {
      const choice = randomChoice()
      const isSure = last?.isAnswered ?? true
      server.choices.choose('me', choice)
      other = server.choices.get('me')
      // A choice of this device that is in flight may arrive after it.
      const before = intent
      intent = isSure
        ? {
            ...choice,
            isOwn: false,
            isReceived: false,
            isAnswered: true,
            at: now(),
            before,
            forgotten: server.choices.forgotten,
          }
        : undefined
    },
    repeatElsewhere() {
      if (other && !isOver(other)) server.choices.choose('me', other, other.at)
    },
    compare() {
      const known = plain(server.choices.get('me') ?? { status: 'online' })
      if (!isSame(plain(client.myStatus), known))
        violations.push(`the choice is ${JSON.stringify(known)}, not ${JSON.stringify(client.myStatus)}`)
      if (!intent || isAllowed(intent, known)) return
      violations.push(`the user chose ${JSON.stringify(plain(intent))}, not ${JSON.stringify(known)}`)
    },
  }
}

function plain({ status, text, expiresAt }: MyStatus): MyStatus {
  return { status, text, expiresAt }
}
