import { allSettings } from './settings-table.ts'

type Texts = Readonly<Record<string, string | undefined>>

/** The names of all secret settings. */
const SECRETS = allSettings.flatMap(([name, { isSecret }]) => (isSecret ? [name] : []))

/** The names of the settings that name a file with a secret. */
export const secretFileNames: readonly string[] = SECRETS.map(fileNameOf)

/**
 * Replaces each `NAME_FILE` of a secret setting by `NAME` with the content of that file, without outer white space.
 * Container platforms give secrets as files.
 *
 * @param read reads a file; throws if it can't
 * @returns the texts, and a sentence for each file that can't be used
 */
export function withSecretFiles(
  texts: Texts,
  read: (path: string) => string,
): { readonly texts: Texts; readonly problems: readonly string[] } {
  const all: Record<string, string | undefined> = { ...texts }
  const problems: string[] = []
  for (const name of SECRETS) {
    const fileName = fileNameOf(name)
    const path = texts[fileName]?.trim()
    if (!path) continue
    delete all[fileName]
    if (texts[name]?.trim()) {
      problems.push(`${name} and ${fileName} must not both be set`)
      continue
    }
    try {
      all[name] = read(path).trim()
      if (all[name] === '') problems.push(`${fileName} must name a file with a secret; ${path} is empty`)
    } catch (error) {
      problems.push(`${fileName} must name a file that this user may read: ${(error as Error).message}`)
    }
  }
  return { texts: all, problems }
}

/** The name of the setting that names the file with a secret. */
export function fileNameOf(name: string): string {
  return `${name}_FILE`
}
