import type { Configuration } from './configuration.ts'
import { defaultIn, type Setting } from './setting.ts'
import { withoutPassword } from './settings.ts'
import { allSettings } from './settings-table.ts'

/** The column in which the sources begin, if the values are shorter. */
const SOURCE_COLUMN = 40

/**
 * What `--print-config` prints: a line `NAME=value  # source` for each setting. For a secret it prints only whether it
 * is set.
 *
 * @param connections how many connections the open-file limit and the settings allow; Infinity for no limit
 */
export function printedConfiguration(
  { settings, texts, setBy }: Pick<Configuration, 'settings' | 'texts' | 'setBy'>,
  connections: number,
): string {
  const rows = allSettings.map(([name, setting]): readonly [name: string, value: string, source: string] => {
    const byDefault = defaultIn(settings.ENVIRONMENT, setting)
    const text = texts[name]?.trim() || undefined
    const value = setting.isSecret && text !== undefined ? '(set, hidden)' : (text ?? byDefault ?? '')
    const source = text === undefined ? defaultSource(setting, byDefault) : String(setBy[name])
    if (name === 'MAX_CONNECTIONS' && Number.isFinite(connections) && value !== String(connections)) {
      const because = text === undefined ? source : `reduced to the open-file limit: ${source} has ${text}`
      return [name, String(connections), because]
    }
    return [name, withoutPassword(value), source]
  })
  return rows
    .map(([name, value, source]) => `${`${name}=${value}`.padEnd(SOURCE_COLUMN)}  # ${source}`)
    .join('\n')
}

function defaultSource({ default: byDefault, unset }: Setting<unknown>, used: string | null): string {
  if (used === null) return `unset: ${unset}`
  return used === byDefault ? 'default' : 'default in development'
}
