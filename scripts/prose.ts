import ts from 'typescript'

// Finds sentences that are hard to read: words of the list below in Markdown, comments and string literals, and lines that are
// wrapped wrongly. It knows nothing of files; words.ts runs it over the repository.

/** A fault in a text. `line` counts from 1. */
export interface Problem {
  readonly line: number
  readonly text: string
}

/** A part of a file that people read. */
interface Prose {
  readonly line: number
  readonly text: string
}

/** The longest comment line, and the longest Markdown line that may hold more than one sentence, in characters. */
const MAX_COLUMNS = 120

/** What not to write, as patterns in which a space stands for any white space, and what to write instead. */
const WORDS: readonly (readonly [pattern: string, instead: string])[] = [
  ['who(ever|soever)', 'name the user, client or reader'],
  ['whos(e|o)ver', 'name the owner'],
  ['of whom', 'begin a new sentence'],
  ['mend(s|ed|ing)?', 'fix'],
  ['anew', 'again, or from the start'],
  ['is none', 'is not a …, or there is no …'],
  ['nobody but', 'only'],
  ['what is so', 'the current state'],
  ['hears? of', 'gets, or is told'],
  ['said aloud', 'logged, or reported'],
  ['a dear', 'slow, or expensive'],
  ['who only looks?', 'observer'],
]

const PATTERNS = WORDS.map(([words, instead]) => ({
  pattern: new RegExp(`\\b${words.replaceAll(' ', '\\s+')}\\b`, 'gi'),
  instead,
}))

/** The problems of a Markdown page, of a source file or of another text, by the ending of its name. */
export function problemsIn(path: string, text: string): Problem[] {
  const problems = isMarkdown(path)
    ? [...words(markdown(text)), ...longLines(text)]
    : isSource(path)
      ? sourceProblems(path, text)
      : words(lines(text))
  return problems.sort((a, b) => a.line - b.line)
}

function isMarkdown(path: string): boolean {
  return path.endsWith('.md')
}

function isSource(path: string): boolean {
  return /\.(?:[cm]?[jt]s|[jt]sx)$/.test(path)
}

function lines(text: string): Prose[] {
  return text.split('\n').map((line, index) => ({ line: index + 1, text: line }))
}

function words(prose: readonly Prose[]): Problem[] {
  return prose.flatMap(({ line, text }) =>
    PATTERNS.flatMap(({ pattern, instead }) =>
      [...text.matchAll(pattern)].map(match => ({
        line: line + text.slice(0, match.index).split('\n').length - 1,
        text: `"${match[0].replaceAll(/\s+/g, ' ')}": write ${instead}`,
      })),
    ),
  )
}

/** A page without its code blocks, each paragraph as one piece, so that words at a line's end are found too. */
function markdown(text: string): Prose[] {
  const pieces: { line: number; text: string }[] = []
  let isOpen = false
  for (const { line, text: content } of outsideCode(text)) {
    const prose = content.replaceAll(/`[^`]*`/g, '``')
    const last = pieces.at(-1)
    if (prose.trim() === '') isOpen = false
    else if (isOpen && last) last.text += `\n${prose}`
    else {
      pieces.push({ line, text: prose })
      isOpen = true
    }
  }
  return pieces
}

/** The lines of a page. Lines of code blocks and of generated sections are empty: their texts stand in source files. */
function outsideCode(text: string): Prose[] {
  let end: string | undefined
  return lines(text).map(({ line, text: content }) => {
    const [, fence, section] = /^\s*(?:(`{3,}|~{3,})|<!-- (\w+):begin -->)/.exec(content) ?? []
    if (end !== undefined) {
      if (content.trim().startsWith(end)) end = undefined
      return { line, text: '' }
    }
    end = section === undefined ? fence : `<!-- ${section}:end -->`
    return { line, text: end === undefined ? content : '' }
  })
}

/** Lines with several sentences that are longer than the limit. Tables and HTML can't be wrapped. */
function longLines(text: string): Problem[] {
  return outsideCode(text)
    .filter(({ text: content }) => content.length > MAX_COLUMNS && !/^\s*[|<]/.test(content))
    .filter(({ text: content }) => sentences(content) > 1)
    .map(({ line, text: content }) => ({
      line,
      text: `${content.length} columns: wrap the line at ${MAX_COLUMNS}, or write one sentence per line`,
    }))
}

/** How many sentences a line holds. A full stop in code, in a link's target or in an abbreviation ends none. */
function sentences(content: string): number {
  const plain = content
    .replace(/^\s*(?:[-*]|\d+\.)\s+/, '')
    .replaceAll(/`[^`]*`/g, 'Code')
    .replaceAll(/\]\([^)]*\)/g, ']')
    .replaceAll(/\b(?:e\.g|i\.e|etc|vs)\./g, 'such as')
  return plain.split(/(?<=[.!?]["”’)*_\]]*)\s+(?=["“‘(*_[]*[A-Z])/).length
}

function sourceProblems(path: string, text: string): Problem[] {
  const file = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true)
  const lineAt = (position: number): number => file.getLineAndCharacterOfPosition(position).line + 1
  const pieces: Prose[] = []
  const long: Problem[] = []
  for (const { pos, end } of comments(file)) {
    pieces.push({ line: lineAt(pos), text: comment(text.slice(pos, end)) })
    for (let line = lineAt(pos); line <= lineAt(end); line++) {
      const content = text.slice(file.getPositionOfLineAndCharacter(line - 1, 0)).split('\n', 1)[0] ?? ''
      // A link can't be wrapped.
      if (content.length <= MAX_COLUMNS || content.includes('://')) continue
      long.push({ line, text: `${content.length} columns: wrap the comment at ${MAX_COLUMNS}` })
    }
  }
  const visit = (node: ts.Node): void => {
    if (ts.isStringLiteralLike(node) || ts.isTemplateLiteralToken(node) || ts.isJsxText(node)) {
      pieces.push({ line: lineAt(node.getStart()), text: node.text })
    }
    ts.forEachChild(node, visit)
  }
  visit(file)
  return [...words(pieces), ...long]
}

/** Consecutive `//` lines are one comment for readers, and so are they here. */
function comments(file: ts.SourceFile): ts.TextRange[] {
  const found = new Map<number, ts.TextRange>()
  const add = (ranges: readonly ts.CommentRange[] | undefined): void => {
    for (const { pos, end } of ranges ?? []) found.set(pos, { pos, end })
  }
  const visit = (node: ts.Node): void => {
    const children = node.getChildren(file)
    if (children.length === 0 && !ts.isJsxText(node)) {
      add(ts.getLeadingCommentRanges(file.text, node.pos))
      add(ts.getTrailingCommentRanges(file.text, node.end))
    }
    // A doc comment is a child too, and is among the leading comments of a token already.
    for (const child of children) if (!ts.isJSDoc(child)) visit(child)
  }
  visit(file)
  const joined: { pos: number; end: number }[] = []
  for (const { pos, end } of [...found.values()].sort((a, b) => a.pos - b.pos)) {
    const last = joined.at(-1)
    if (last && /^\n\s*$/.test(file.text.slice(last.end, pos))) last.end = end
    else joined.push({ pos, end })
  }
  return joined
}

/** A comment without its marks, with its lines. */
function comment(text: string): string {
  return text.replaceAll(/^[ \t]*(?:\/\/+|\/\*+|\*+\/?) ?/gm, '')
}
