import { finding } from './source-file.ts'
import type { Finding, SourceFile } from './source-file.ts'

export const FILE_LINES_MAX = 400
export const FUNCTION_LINES_MAX = 70

export function sizeFindings(file: SourceFile): readonly Finding[] {
  const lines = file.text.trimEnd().split('\n').length
  const tooLong = functionsOf(file.code)
    .map(({ begin, end }) => ({ begin, lines: file.text.slice(begin, end).split('\n').length }))
    .filter((body) => body.lines > FUNCTION_LINES_MAX)
    .map((body) => {
      const message = `a function of ${body.lines} lines; at most ${FUNCTION_LINES_MAX}: name its parts and take them out`
      return finding(file, body.begin, message)
    })
  if (lines <= FILE_LINES_MAX) return tooLong
  const message = `${lines} lines; at most ${FILE_LINES_MAX}: split it along its concepts (aim for 200)`
  return [{ path: file.path, line: FILE_LINES_MAX, message }, ...tooLong]
}

interface Extent {
  readonly begin: number
  readonly end: number
}

/** Words that have parentheses and then a block without being a function. */
const NOT_FUNCTIONS = new Set(['if', 'for', 'while', 'switch', 'catch', 'with', 'await'])
/** Callbacks that only group tests. */
const GROUPS = new Set(['describe', 'suite'])

/** Every function with a block body: where its parameters begin and where its body ends. */
function functionsOf(code: string): readonly Extent[] {
  const pairs = bracketPairs(code)
  const found: Extent[] = []
  for (const [open, close] of pairs) {
    if (code[open] !== '(') continue
    const word = /[\w$#]*$/.exec(code.slice(Math.max(0, open - 40), open).trimEnd())?.[0] ?? ''
    if (NOT_FUNCTIONS.has(word)) continue
    const body = bodyAfter(code, close + 1, pairs)
    const end = body === undefined ? undefined : pairs.get(body)
    if (end === undefined || isGroupCallback(code, open)) continue
    found.push({ begin: open, end })
  }
  return found
}

function isGroupCallback(code: string, open: number): boolean {
  const before = /([\w$]+)\(\s*['"`]\s*['"`],\s*(?:\{[^{}]*\},\s*)?(?:async\s*)?$/.exec(
    code.slice(Math.max(0, open - 300), open),
  )
  return before !== null && GROUPS.has(before[1] ?? '')
}

/** The offset of the `{` of a body that follows parameters which end before `from`; past a return type and an arrow. */
function bodyAfter(code: string, from: number, pairs: ReadonlyMap<number, number>): number | undefined {
  let at = skipSpace(code, from)
  if (code[at] === ':') at = endOfType(code, at + 1, pairs)
  if (code.startsWith('=>', at)) at = skipSpace(code, at + 2)
  return code[at] === '{' ? at : undefined
}

/** Where a return type ends: at the `{` of a body, at `=>`, or where no type can go on. */
function endOfType(code: string, from: number, pairs: ReadonlyMap<number, number>): number {
  let at = skipSpace(code, from)
  let expectsOperand = true
  while (at < code.length) {
    const character = code[at] ?? ''
    if (code.startsWith('=>', at)) {
      const isFunctionType = code[skipSpace(code, at + 2)] !== '{'
      if (!isFunctionType) return at
      expectsOperand = true
      at += 1
    } else if (character === '{' && !expectsOperand) return at
    else if ('{(['.includes(character)) {
      at = pairs.get(at) ?? code.length
      expectsOperand = false
    } else if (',;)]}='.includes(character)) return at
    else
      expectsOperand =
        '|&<:'.includes(character) || /\b(?:is|keyof|extends|infer|readonly)$/.test(code.slice(at - 9, at + 1))
    at = skipSpace(code, at + 1)
  }
  return at
}

function skipSpace(code: string, from: number): number {
  let at = from
  while (at < code.length && /\s/.test(code[at] ?? '')) at += 1
  return at
}

/** Each opening bracket's offset with its closing one's, for ( [ {. */
function bracketPairs(code: string): ReadonlyMap<number, number> {
  const pairs = new Map<number, number>()
  const open: number[] = []
  for (let at = 0; at < code.length; at += 1) {
    const character = code[at] ?? ''
    if ('([{'.includes(character)) open.push(at)
    else if (')]}'.includes(character)) {
      const begin = open.pop()
      if (begin !== undefined) pairs.set(begin, at)
    }
  }
  return pairs
}
