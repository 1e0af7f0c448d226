import { binary } from './binary.ts'
import type { Group } from './case.ts'
import { closing } from './closing.ts'
import { control } from './control-frames.ts'
import { fragmentation } from './fragmentation.ts'
import { framing } from './framing.ts'
import { headers, negotiation, requestLine } from './opening-handshake.ts'
import { identities, origins, paths, plainHttp } from './target-and-origin.ts'
import { texts } from './texts.ts'
import { utf8 } from './utf8.ts'

/** All cases, by topic, in the order of RFC 6455. */
export const groups: readonly Group[] = [
  { name: 'the request line', opened: false, cases: requestLine },
  { name: 'headers', opened: false, cases: headers },
  { name: 'subprotocols and extensions', opened: false, cases: negotiation },
  { name: 'paths', opened: false, cases: paths },
  { name: 'plain HTTP', opened: false, cases: plainHttp },
  { name: 'identities', opened: false, cases: identities },
  { name: 'origins', opened: false, cases: origins },
  { name: 'framing', opened: true, cases: framing },
  { name: 'fragmentation', opened: true, cases: fragmentation },
  { name: 'control frames', opened: true, cases: control },
  { name: 'closing', opened: true, cases: closing },
  { name: 'UTF-8', opened: true, cases: utf8 },
  { name: 'binary', opened: true, cases: binary },
  { name: 'texts', opened: true, cases: texts },
]
