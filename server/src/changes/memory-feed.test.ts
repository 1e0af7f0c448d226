import { feedSuite } from './feed.suite.ts'
import { MemoryFeed } from './memory-feed.ts'
import { createPlaces } from './places.ts'

feedSuite((recent, report, places = createPlaces('e')) => new MemoryFeed({ places, recent, report }))
