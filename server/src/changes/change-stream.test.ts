import { ChangeStreamModel, streamOf } from './change-stream.model.ts'
import { changeStreamSuite } from './change-stream.suite.ts'

changeStreamSuite(async () => streamOf(new ChangeStreamModel()))
