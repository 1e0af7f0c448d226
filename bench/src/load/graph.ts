/** Whom a follower follows, from the `from`-th to before the `to`-th. Both are numbers below that of all users. */
export type Graph = (follower: number, from: number, to: number) => number[]

/**
 * Who follows whom: with as many followers as users, each user has exactly as many followers as others have. All
 * are steps on a ring of strangers, so that nobody is followed twice by one. The same for the same seed.
 */
export function graph(users: number, seed: number): Graph {
  const random = mulberry32(seed)
  const [ring, places, steps] = [shuffled(users, random), shuffled(users, random), shuffled(users, random)]
  return (follower, from, to) =>
    steps.slice(from, to).map(step => ring[((places[follower] ?? 0) + step) % users] ?? 0)
}

/** The numbers below `count` in any order (Fisher and Yates). */
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

/** A small generator of numbers from 0 to before 1, since `Math.random` takes no seed. */
function mulberry32(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
