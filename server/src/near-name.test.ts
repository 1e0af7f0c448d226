import { expect, test } from 'vitest'
import { nearName } from './near-name.ts'

const NAMES = ['PORT', 'HOST', 'ENVIRONMENT', 'DATA_DIR', 'PING_MS'] as const
const near = (given: string, errors = 2) => nearName(given, NAMES, () => errors)

test.each([
  ['ENVIROMENT', 'ENVIRONMENT'],
  ['ENVIRONEMNT', 'ENVIRONMENT'],
  ['environment', 'ENVIRONMENT'],
  ['EENVIRONMENTS', 'ENVIRONMENT'],
  ['PROT', 'PORT'],
  ['port', 'PORT'],
  ['datadir', 'DATA_DIR'],
  ['data-dir', 'DATA_DIR'],
  ['DATA.DIR', 'DATA_DIR'],
  ['PINGMS', 'PING_MS'],
  ['DATABASE_URL', undefined],
  ['', undefined],
])('[S8] the nearest name to %s is %s', (given, name) => {
  expect(near(given)).toBe(name)
})

test('[S8] the name with the fewest errors is chosen, unless it has too many', () => {
  expect(near('POST', 2)).toBe('PORT')
  expect(near('HOSTT', 2)).toBe('HOST')
  expect(near('PROT', 0)).toBeUndefined()
  expect(near('port', 0)).toBe('PORT')
  expect(near('OPTR', 2)).toBe('PORT')
  expect(near('OPTR', 1)).toBeUndefined()
})
