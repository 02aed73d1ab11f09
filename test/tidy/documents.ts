import { lineAt } from './source-file.ts'
import type { Finding } from './source-file.ts'

/** A Markdown page of the repository. */
export interface Page {
  readonly path: string
  readonly text: string
}

/** Whether a path from the root exists, and the anchors of a page. */
export interface Tree {
  exists(path: string): boolean
  page(path: string): Page | undefined
}

const LINK = /\[(?:[^\]\\]|\\.)*\]\(\s*<?([^)\s>]+)>?(?:\s+"[^"]*")?\s*\)/g
const HTML_LINK = /<(?:img|a|source)\b[^>]*?\b(?:src|href|srcset)="([^"]+)"/g

/** Relative links whose file, or whose heading in that file, is not there. */
export function linkFindings(page: Page, tree: Tree): readonly Finding[] {
  const text = withoutFences(page.text)
  return [LINK, HTML_LINK]
    .flatMap((pattern) => [...text.matchAll(pattern)])
    .flatMap((match) => {
      const target = match[1] ?? ''
      if (/^[a-z][a-z0-9+.-]*:/i.test(target)) return []
      const [file = '', anchor] = target.split('#')
      const path = file === '' ? page.path : resolve(page.path, file)
      const line = lineAt(text, match.index)
      if (file !== '' && !tree.exists(path))
        return [{ path: page.path, line, message: `the link to ${target} leads nowhere (${path})` }]
      const linked = anchor === undefined || anchor === '' ? undefined : file === '' ? page : tree.page(path)
      if (linked === undefined || anchor === undefined || headings(linked.text).includes(anchor)) return []
      return [{ path: page.path, line, message: `${path} has no heading #${anchor}` }]
    })
}

/** Names that the page should have as `code` and has not. */
export function missingNames(page: Page, names: readonly string[]): readonly Finding[] {
  return names
    .filter((name) => !page.text.includes(`\`${name}\``))
    .map((name) => ({ path: page.path, line: 1, message: `\`${name}\` is not described` }))
}

/** The first column of the tables under a heading, without its backticks. */
export function firstColumn(page: Page, heading: string): readonly string[] {
  const section = page.text.split(/^## /m).find((part) => part.startsWith(`${heading}\n`)) ?? ''
  return [...section.matchAll(/^\|\s*`([^`]+)`/gm)].map((match) => match[1] ?? '')
}

/** npm scripts that a page tells the reader to run and that do not exist. */
export function scriptFindings(page: Page, scripts: readonly string[]): readonly Finding[] {
  return [...page.text.matchAll(/\bnpm (?:run ([\w:-]+)|(start|test)\b)/g)].flatMap((match) => {
    const script = match[1] ?? match[2] ?? ''
    if (scripts.includes(script)) return []
    return [{ path: page.path, line: lineAt(page.text, match.index), message: `package.json has no script ${script}` }]
  })
}

/** Paths that exist on one machine only, and addresses that only the author can reach. */
export function placeFindings(page: Page): readonly Finding[] {
  const pattern = /(?<![\w.~/-])\/(?:home|Users|root|work|workspace)\/[\w.-]+/g
  return [...page.text.matchAll(pattern)].map((match) => ({
    path: page.path,
    line: lineAt(page.text, match.index),
    message: `${match[0]} is a path of one machine; write it relative to the repository`,
  }))
}

function headings(text: string): readonly string[] {
  return [...withoutFences(text).matchAll(/^#{1,6}\s+(.+?)\s*#*$/gm)].map((match) =>
    (match[1] ?? '')
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-'),
  )
}

/** Code fences blanked, lines kept. */
function withoutFences(text: string): string {
  return text.replaceAll(/^```[\s\S]*?^```/gm, (fence) => fence.replaceAll(/[^\n]/g, ' '))
}

function resolve(from: string, target: string): string {
  const parts = from.split('/').slice(0, -1)
  for (const part of decodeURIComponent(target).split('/')) {
    if (part === '..') parts.pop()
    else if (part !== '.' && part !== '') parts.push(part)
  }
  return parts.join('/')
}
