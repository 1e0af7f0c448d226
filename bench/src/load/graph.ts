/** The users to whom a subscriber is subscribed, from the `from`-th to before the `to`-th. */
export type Graph = (subscriber: number, from: number, to: number) => number[]

/**
 * A graph of subscriptions. If there are as many subscribers as users, all users have the same number of
 * subscribers. The subscriptions are steps on a shuffled ring, so no subscriber has a user twice. The same
 * seed gives the same graph.
 */
export function graph(users: number, seed: number): Graph {
  const random = mulberry32(seed)
  const [ring, places, steps] = [shuffled(users, random), shuffled(users, random), shuffled(users, random)]
  return (subscriber, from, to) =>
    steps.slice(from, to).map(step => ring[((places[subscriber] ?? 0) + step) % users] ?? 0)
}

/** The numbers below `count` in random order (Fisher–Yates). */
function shuffled(count: number, random: () => number): number[] {
  const numbers = Array.from({ length: count }, (_, index) => index)
  for (let last = count - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1))
    const [a = 0, b = 0] = [numbers[last], numbers[other]]
    numbers[last] = b
    numbers[other] = a
  }
  return numbers
}

/** A random number generator with a seed, for numbers in [0, 1). */
export function mulberry32(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
