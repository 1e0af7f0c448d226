import { appendSuite } from './append.suite.ts'
import { RedisModel } from './redis.model.ts'

appendSuite('the model of Redis', async () => {
  const model = new RedisModel()
  return {
    append: async request => model.append(request),
    load: async () => model.load(),
    writeRow: async (field, text) => model.writeRow(field, text),
    writeEntry: async place => model.writeEntry(place),
    log: async () => model.log,
  }
})
