import { existsSync, globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Page, Tree } from './documents.ts'
import { sourceFile } from './source-file.ts'
import type { SourceFile } from './source-file.ts'

const root = join(import.meta.dirname, '..', '..')
const LEFT_OUT = ['node_modules/**', 'data/**', 'coverage/**', 'tmp/**', '.git/**']

export function readText(path: string): string {
  return readFileSync(join(root, path), 'utf8')
}

/** Every file of code: src, test, bench, scripts, examples. */
export function codeFiles(): readonly SourceFile[] {
  return glob('{src,test,bench,scripts,examples}/**/*.{ts,mjs}').map((path) => sourceFile(path, readText(path)))
}

export function pages(): readonly Page[] {
  return glob('**/*.md').map((path) => ({ path, text: readText(path) }))
}

/** Every file of text that is kept in the repository, for rules about words. */
export function textFiles(): readonly Page[] {
  const paths = glob('**/*.{ts,mjs,js,json,md,yaml,yml,svg,html,css}').concat(
    glob('{Dockerfile,.ci/run,.gitignore,.dockerignore}'),
  )
  return paths.filter((path) => path !== 'package-lock.json').map((path) => ({ path, text: readText(path) }))
}

export const tree: Tree = {
  exists: (path) => existsSync(join(root, path)),
  page: (path) => (path.endsWith('.md') && existsSync(join(root, path)) ? { path, text: readText(path) } : undefined),
}

function glob(pattern: string): string[] {
  return globSync(pattern, { cwd: root, exclude: LEFT_OUT })
    .map((path) => path.replaceAll('\\', '/'))
    .toSorted()
}
