// Loaded into a server by `INSPECTED`. It knows all Maps and Sets of the server and its packages that are still
// reachable, so that a test can count their entries. Those of Node itself are not counted.

const known = new Set()

for (const kind of ['Map', 'Set']) {
  globalThis[kind] = new Proxy(globalThis[kind], {
    construct(target, items, newTarget) {
      const collection = Reflect.construct(target, items, newTarget)
      known.add(new WeakRef(collection))
      return collection
    },
  })
}

/** The number of entries of all these Maps and Sets. */
globalThis.countEntries = () => {
  let entries = 0
  for (const reference of known) {
    const collection = reference.deref()
    if (collection) entries += collection.size
    else known.delete(reference)
  }
  return entries
}
