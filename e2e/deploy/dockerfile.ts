// Reads a Dockerfile, and runs its steps in a directory. No container engine is needed. It knows the instructions that
// deploy/Dockerfile has, and refuses others.
import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** A line of a Dockerfile, such as `RUN npm ci`, with its continuation lines. */
interface Instruction {
  readonly name: string
  readonly text: string
}

/** What an image is: the result of its last stage. */
export interface Image {
  readonly env: Readonly<Record<string, string>>
  readonly workdir: string
  readonly user: string
  readonly entrypoint: readonly string[]
  readonly healthcheck: readonly string[]
  readonly stopSignal: string
  readonly volumes: readonly string[]
  readonly exposed: readonly string[]
  /** The base image of each stage, with the values of `ARG`. */
  readonly bases: readonly string[]
}

/** How the steps are run. */
export interface Steps {
  /** Runs the command of a `RUN` step in `cwd`. */
  readonly run: (command: string, cwd: string) => void
  /** Copies the build context into a directory. */
  readonly copyContext: (to: string) => void
  /** The directory that stands for `/`. The stages share it, so no path may mean different things in two of them. */
  readonly root: string
}

/** The instructions of a Dockerfile, in order. */
export function instructionsOf(text: string): Instruction[] {
  const lines = text
    .split('\n')
    .filter(line => !line.startsWith('#'))
    .join('\n')
    .replaceAll(/\\\n\s*/g, '')
    .split('\n')
    .map(line => line.trim())
    .filter(line => line !== '')
  return lines.map(line => {
    const [, name = '', rest = ''] = /^([A-Z]+)\s+(.*)$/.exec(line) ?? []
    if (name === '') throw new Error(`not an instruction: ${line}`)
    return { name, text: rest }
  })
}

/**
 * Reads a Dockerfile, and with `steps` also runs it.
 *
 * @throws Error for an instruction that it does not know, or a command that fails
 */
export function buildImage(text: string, steps?: Steps): Image {
  const args: Record<string, string> = {}
  const bases: string[] = []
  let image = emptyImage()
  for (const instruction of instructionsOf(text)) {
    const value = instruction.text
    switch (instruction.name) {
      case 'ARG':
        Object.assign(args, assignments(value))
        break
      case 'FROM':
        bases.push(value.replace(/ AS \w+$/, '').replaceAll(/\$\{(\w+)\}/g, (_all, name) => args[name] ?? ''))
        image = emptyImage()
        break
      case 'WORKDIR':
        image = { ...image, workdir: value }
        if (steps) mkdirSync(join(steps.root, value), { recursive: true })
        break
      case 'COPY':
        if (steps) copy(value, image, steps)
        break
      case 'RUN':
        if (steps) steps.run(inside(value, steps.root), join(steps.root, image.workdir))
        break
      case 'ENV':
        image = { ...image, env: { ...image.env, ...assignments(value) } }
        break
      case 'VOLUME':
        image = { ...image, volumes: [...image.volumes, value] }
        break
      case 'EXPOSE':
        image = { ...image, exposed: [...image.exposed, value] }
        break
      case 'USER':
        image = { ...image, user: value }
        break
      case 'STOPSIGNAL':
        image = { ...image, stopSignal: value }
        break
      case 'HEALTHCHECK':
        image = { ...image, healthcheck: execForm(value.replace(/^.*? CMD /, '')) }
        break
      case 'ENTRYPOINT':
        image = { ...image, entrypoint: execForm(value) }
        break
      default:
        throw new Error(`an instruction that this test does not know: ${instruction.name}`)
    }
  }
  return { ...image, bases }
}

function emptyImage(): Image {
  const lists = { entrypoint: [], healthcheck: [], volumes: [], exposed: [], bases: [] }
  return { env: {}, workdir: '/', user: 'root', stopSignal: 'SIGTERM', ...lists }
}

function assignments(text: string): Record<string, string> {
  return Object.fromEntries(text.split(/\s+/).map(pair => pair.split(/=(.*)/s).slice(0, 2)))
}

/** @throws Error for the shell form, in which a shell is process 1 and gets the signals */
function execForm(text: string): string[] {
  if (!text.startsWith('[')) throw new Error(`not the exec form: ${text}`)
  return JSON.parse(text)
}

function copy(text: string, image: Image, { root, copyContext }: Steps): void {
  const [, stage, from = '', to = ''] = /^(?:--from=(\w+) )?(\S+) (\S+)$/.exec(text) ?? []
  const target = join(root, to.startsWith('/') ? to : join(image.workdir, to))
  if (stage === undefined) return copyContext(target)
  // The stages share one root: a directory that keeps its path is there already.
  if (join(root, from) === target.replace(/\/$/, '')) return
  cpSync(join(root, from), target, { recursive: true, verbatimSymlinks: true })
}

/** A command in which absolute paths of the image are paths in `root`. */
export function inside(command: string, root: string): string {
  return command.replaceAll(
    /(^|[\s=])\/(app|data|src)(?=[\s/]|$)/g,
    (_all, before, dir) => `${before}${root}/${dir}`,
  )
}

/** Copies the files of a git work tree that are not ignored. */
export function copyWorkTree(from: string, to: string): void {
  const files = execFileSync('git', ['ls-files', '-co', '--exclude-standard', '-z'], {
    cwd: from,
    encoding: 'utf8',
  })
  for (const file of new Set(files.split('\0').filter(name => name !== ''))) {
    mkdirSync(dirname(join(to, file)), { recursive: true })
    cpSync(join(from, file), join(to, file), { verbatimSymlinks: true })
  }
}
