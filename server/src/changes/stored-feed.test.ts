import { feedSuite } from './feed.suite.ts'
import { StoredFeed } from './stored-feed.ts'

feedSuite((recent, report) => {
  const feed = new StoredFeed({
    epoch: 'e',
    stored: undefined,
    recent,
    report,
    grown: () => feed.synced(feed.seq),
  })
  return feed
})
