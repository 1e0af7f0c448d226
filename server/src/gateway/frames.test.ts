import { expect, test } from 'vitest'
import { framesIn, textFrame, withMore } from './frames.ts'

const textsIn = (run: Buffer) => [...framesIn(run)].map(({ payload }) => payload.toString())

test.each([2, 100, 115, 124, 125, 126, 127, 65_520, 65_535, 65_536])(
  '[B1] withMore extends an object of %i bytes',
  length => {
    const json = `{${'ä'.repeat((length - 2) / 2).padEnd(length - 2 - Math.floor((length - 2) / 2), 'x')}}`
    const longer = withMore(textFrame(json), ',"id":"é"}')
    expect(textsIn(longer)).toEqual([`${json.slice(0, -1)},"id":"é"}`])
    expect(longer).toEqual(textFrame(`${json.slice(0, -1)},"id":"é"}`))
  },
)
