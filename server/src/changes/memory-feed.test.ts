import { feedSuite } from './feed.suite.ts'
import { MemoryFeed } from './memory-feed.ts'

feedSuite((recent, report) => new MemoryFeed({ epoch: 'e', recent, report }))
