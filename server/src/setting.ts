import type { Values } from './setting-values.ts'

/** The groups in which the documentation shows the settings. */
export const settingGroups = {
  basics: 'Where the server listens and what it logs.',
  identity: 'How the server knows who a user is. docs/auth.md has the settings for each provider.',
  security: 'Which web pages and proxies are trusted, and who may see the live page.',
  webhooks: 'Which of your backends are told each change. docs/webhooks.md explains it.',
  timing: 'How soon a user is shown as offline.',
  limits: 'Protection against abuse. A normal application does not reach these limits.',
  storage: 'Where the state is stored, how often, and for how long.',
  cluster: 'Several servers that share a Redis. docs/scaling.md says when that is worth it.',
} as const

/** One row of the table of settings. */
export interface Setting<Value> {
  readonly group: keyof typeof settingGroups
  /** The text that an unset setting is read as; `null` for no default. */
  readonly default: string | null
  /** The default in development, if it is another one. */
  readonly developmentDefault?: string
  /** What happens when a setting without a default is unset. */
  readonly unset?: string
  readonly values: Values<Value>
  readonly meaning: string
  readonly whenToChange: string
  /** True if the value is never printed, here or in a log. It can be read from a file: `NAME_FILE`. */
  readonly isSecret?: boolean
}

/** The text that an unset setting is read as in an environment; `null` if it stays unset. */
export function defaultIn(
  environment: 'development' | 'production',
  { default: byDefault, developmentDefault }: Pick<Setting<unknown>, 'default' | 'developmentDefault'>,
): string | null {
  return (environment === 'development' ? developmentDefault : undefined) ?? byDefault
}
