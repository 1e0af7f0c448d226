import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import packaged, { inflate } from '@sparticuz/chromium'
import { type Browser, chromium, type LaunchOptions } from 'playwright-core'

/** Switches off what tests do not need, and the sandbox, which containers and root do not allow. */
const ARGS = [
  '--no-sandbox',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/** How long a browser may take to start, in ms. It has 200 MB, and the machine may be busy. */
const START_MS = 30_000

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome']

interface Candidate {
  readonly name: string
  readonly options: () => LaunchOptions | Promise<LaunchOptions>
}

/**
 * Starts a browser. If `CHROME_PATH` is set, it starts that one and no other. Otherwise it starts a Chromium
 * or Chrome of this machine, or the one of an npm package, so that no browser needs to be installed. If none
 * starts, it prints the reasons and resolves with `undefined`, so that tests can be skipped.
 *
 * @throws Error if none starts and `CI` is set, because nobody would notice skipped tests there
 */
export async function startBrowser(
  env: Readonly<Record<string, string | undefined>> = process.env,
): Promise<Browser | undefined> {
  const reasons: string[] = []
  for (const { name, options } of candidates(env)) {
    try {
      return await chromium.launch({ args: ARGS, timeout: START_MS, ...(await options()) })
    } catch (error) {
      reasons.push(`${name}: ${firstLines(error)}`)
    }
  }
  const problem = `no browser could be started; set CHROME_PATH to one:\n${reasons.join('\n')}`
  if (env['CI']) throw new Error(problem)
  process.stderr.write(`Tests are skipped: ${problem}\n`)
  return undefined
}

function candidates(env: Readonly<Record<string, string | undefined>>): Candidate[] {
  const configured = env['CHROME_PATH']
  if (configured) return [{ name: 'CHROME_PATH', options: () => ({ executablePath: configured }) }]
  const found = (env['PATH'] ?? '')
    .split(':')
    .filter(dir => dir !== '')
    .flatMap(dir => NAMES.map(name => join(dir, name)))
    .find(path => existsSync(path))
  return [
    ...(found ? [{ name: found, options: () => ({ executablePath: found }) }] : []),
    // On macOS, applications are not in PATH.
    ...(process.platform === 'darwin' ? [{ name: 'Chrome', options: () => ({ channel: 'chrome' }) }] : []),
    { name: '@sparticuz/chromium', options: unpacked },
  ]
}

/**
 * Unpacks the browser of the npm package once, with the libraries and the font that a machine without a
 * browser may lack. The directory gets its name when it is complete, because several test processes may
 * unpack at the same time.
 */
async function unpacked(): Promise<LaunchOptions> {
  if (process.platform !== 'linux') throw new Error('this package contains a browser for Linux only')
  const source = dirname(dirname(fileURLToPath(import.meta.resolve('@sparticuz/chromium'))))
  const cache = fileURLToPath(new URL('../../node_modules/.cache/', import.meta.url))
  const { version } = JSON.parse(readFileSync(join(source, 'package.json'), 'utf8'))
  const home = join(cache, `chromium-${version}`)
  if (!existsSync(home)) {
    mkdirSync(cache, { recursive: true })
    const draft = mkdtempSync(`${home}-`)
    await unpackInto(draft, source)
    writeFileSync(join(draft, 'fonts.conf'), fontsConf(join(home, 'fonts')))
    try {
      renameSync(draft, home)
    } catch {
      // Another process has created it.
      rmSync(draft, { recursive: true })
    }
  }
  const libraries = [join(home, 'al2023', 'lib'), process.env['LD_LIBRARY_PATH']].filter(Boolean).join(':')
  return {
    executablePath: join(home, 'chromium'),
    env: { ...process.env, LD_LIBRARY_PATH: libraries, FONTCONFIG_FILE: join(home, 'fonts.conf') },
  }
}

/** The package unpacks into the temporary directory, so `TMPDIR` is set to `dir` meanwhile. */
async function unpackInto(dir: string, source: string): Promise<void> {
  const before = process.env['TMPDIR']
  process.env['TMPDIR'] = dir
  try {
    await packaged.executablePath()
    await inflate(join(source, 'bin', 'al2023.tar.br'))
  } finally {
    if (before === undefined) delete process.env['TMPDIR']
    else process.env['TMPDIR'] = before
  }
}

function fontsConf(fonts: string): string {
  return `<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <include ignore_missing="yes">/etc/fonts/fonts.conf</include>
  <dir>${fonts}</dir>
  <cachedir>${fonts}/cache</cachedir>
</fontconfig>
`
}

function firstLines(error: unknown): string {
  return (error as Error).message.split('\n').slice(0, 3).join(' ')
}
