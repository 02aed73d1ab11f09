/** A file of the repository as the tidy rules see it. */
export interface SourceFile {
  /** From the root of the repository, with forward slashes. */
  readonly path: string
  readonly text: string
  /** The text with comments and the contents of strings and regular expressions blanked; every offset stays the same. */
  readonly code: string
}

/** Something that a rule objects to; `message` says what to use instead. */
export interface Finding {
  readonly path: string
  readonly line: number
  readonly message: string
}

export function sourceFile(path: string, text: string): SourceFile {
  return { path, text, code: maskNonCode(text) }
}

export function finding(file: SourceFile, offset: number, message: string): Finding {
  return { path: file.path, line: lineAt(file.text, offset), message }
}

/** `path:line: message`, one a line; a terminal makes the place clickable. */
export function describeFindings(findings: readonly Finding[]): string {
  return findings.map(({ path, line, message }) => `${path}:${line}: ${message}`).join('\n')
}

export function lineAt(text: string, offset: number): number {
  return text.slice(0, offset).split('\n').length
}

/** An import or re-export and where it stands. */
export interface ImportStatement {
  readonly specifier: string
  readonly offset: number
}

const IMPORTS = [
  /^[ \t]*(?:import|export)\b[^'"`;]*?\bfrom[ \t\n]*(['"])/gm,
  /^[ \t]*import[ \t]*(['"])/gm,
  /\bimport[ \t]*\([ \t\n]*(['"])/g,
]

/** Static imports, re-exports and dynamic imports of a literal. */
export function importsOf(file: SourceFile): readonly ImportStatement[] {
  const found: ImportStatement[] = []
  for (const pattern of IMPORTS) {
    for (const match of file.code.matchAll(pattern)) {
      const begin = match.index + match[0].length
      const end = file.text.indexOf(match[1] ?? '', begin)
      found.push({ specifier: file.text.slice(begin, end), offset: match.index + match[0].search(/\S/) })
    }
  }
  return found.toSorted((a, b) => a.offset - b.offset)
}

/** After one of these a slash begins a regular expression; after anything else it divides. */
const BEFORE_REGEX = /(?:^|[([{,;=:!&|?+\-*%~^<>]|\b(?:return|typeof|case|in|of|do|else|throw|await|yield|void))\s*$/

/** Longest look back for what stands before a slash. */
const LOOK_BACK_CHARACTERS = 40

function maskNonCode(text: string): string {
  const out = Array.from({ length: text.length }, (_, index) => text.charAt(index))
  const blank = (from: number, to: number): void => {
    for (let at = from; at < to; at += 1) if (out[at] !== '\n') out[at] = ' '
  }
  /** For each template that is open: how many braces are open inside its `${`. */
  const templates: number[] = []
  let at = 0
  while (at < text.length) {
    const pair = text.slice(at, at + 2)
    const character = text[at] ?? ''
    let end = at + 1
    if (pair === '//') blank(at, (end = endOfLine(text, at)))
    else if (pair === '/*') blank(at, (end = closing(text, '*/', at + 2)))
    else if (character === "'" || character === '"') blank(at + 1, (end = endOfString(text, at, character)) - 1)
    else if (character === '/' && startsRegex(out, at)) blank(at + 1, (end = endOfRegex(text, at)) - 1)
    else if (character === '`' || (character === '}' && templates.at(-1) === 0)) {
      if (character === '}') templates.pop()
      const stop = endOfTemplatePart(text, at + 1)
      blank(at + 1, stop)
      end = text[stop] === '`' ? stop + 1 : stop + 2
      if (text[stop] === '$') templates.push(0)
    } else if (templates.length > 0 && (character === '{' || character === '}')) {
      templates[templates.length - 1] = (templates.at(-1) ?? 0) + (character === '{' ? 1 : -1)
    }
    at = end
  }
  return out.join('')
}

function startsRegex(out: readonly string[], at: number): boolean {
  return BEFORE_REGEX.test(out.slice(Math.max(0, at - LOOK_BACK_CHARACTERS), at).join(''))
}

function endOfLine(text: string, at: number): number {
  const end = text.indexOf('\n', at)
  return end === -1 ? text.length : end
}

function closing(text: string, token: string, from: number): number {
  const end = text.indexOf(token, from)
  return end === -1 ? text.length : end + token.length
}

function endOfString(text: string, at: number, quote: string): number {
  let end = at + 1
  while (end < text.length && text[end] !== quote && text[end] !== '\n') end += text[end] === '\\' ? 2 : 1
  return end + 1
}

function endOfRegex(text: string, at: number): number {
  let inClass = false
  let end = at + 1
  while (end < text.length && text[end] !== '\n' && (inClass || text[end] !== '/')) {
    if (text[end] === '[') inClass = true
    else if (text[end] === ']') inClass = false
    end += text[end] === '\\' ? 2 : 1
  }
  return end + 1
}

/** Where a template's text ends: at its closing backtick or at the `$` of `${`. */
function endOfTemplatePart(text: string, from: number): number {
  let end = from
  while (end < text.length && text[end] !== '`' && text.slice(end, end + 2) !== '${') end += text[end] === '\\' ? 2 : 1
  return end
}
