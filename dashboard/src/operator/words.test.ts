import { expect, test } from 'vitest'
import { reasonText } from './words.ts'

test('each reason of the API has a sentence, and an unknown one is shown as it is', async () => {
  const { default: document } = await import('../../../docs/openapi.json', { with: { type: 'json' } })
  const [{ enum: reasons }] = [...JSON.stringify(document).matchAll(/"reason":(\{"enum":\[[^\]]*\])/g)].map(
    ([, schema]) => JSON.parse(`${schema}}`) as { enum: string[] },
  ) as [{ enum: string[] }]
  expect(reasons.length).toBeGreaterThan(5)
  for (const reason of reasons) expect(reasonText(reason)).toMatch(/^[A-Z].*\.$/)
  expect(reasonText('newer')).toBe('newer')
})
