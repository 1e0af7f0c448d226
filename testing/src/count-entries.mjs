// Loaded into a server by `INSPECTED`. It knows all Maps and Sets of the server and its packages that are still
// reachable, so that a test can count their entries. Those of Node itself are not counted.

const known = new Set()
// Without this, a test of memory would measure the references to collections that are gone.
const gone = new FinalizationRegistry(reference => known.delete(reference))

for (const kind of ['Map', 'Set']) {
  globalThis[kind] = new Proxy(globalThis[kind], {
    construct(target, items, newTarget) {
      const collection = Reflect.construct(target, items, newTarget)
      const reference = new WeakRef(collection)
      known.add(reference)
      gone.register(collection, reference)
      return collection
    },
  })
}

/** The number of entries of all these Maps and Sets. */
globalThis.countEntries = () => {
  let entries = 0
  for (const reference of known) entries += reference.deref()?.size ?? 0
  return entries
}
