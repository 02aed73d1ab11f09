import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { cpus, totalmem } from 'node:os'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { format, resolveConfig } from 'prettier'
import { systemClock } from '../src/lib/clock.ts'

const DOCUMENT = new URL('../docs/BENCHMARKS.md', import.meta.url)
const GIT_TIMEOUT_MS = 5_000
const run = promisify(execFile)

/** A part of docs/BENCHMARKS.md that a benchmark writes between its markers. */
export interface Section {
  readonly name: string
  /** The command that makes it. */
  readonly command: string
  readonly markdown: string
}

export function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}

/** Prints the section and, with `--write` among the arguments, puts it into docs/BENCHMARKS.md. */
export async function publish(section: Section, args: readonly string[]): Promise<void> {
  process.stdout.write(`\n${section.markdown}\n`)
  if (!args.includes('--write')) return
  const [start, end] = [`<!-- ${section.name}:start -->`, `<!-- ${section.name}:end -->`]
  const text = await readFile(DOCUMENT, 'utf8')
  const [from, to] = [text.indexOf(start), text.indexOf(end)]
  if (from < 0 || to < from) throw new Error(`docs/BENCHMARKS.md has no ${start} … ${end}`)
  const body = `${start}\n\n${section.markdown}\n\n\`${section.command}\`, ${await machine()}\n\n`
  const style = await resolveConfig(fileURLToPath(DOCUMENT))
  const written = text.slice(0, from) + body + text.slice(to)
  await writeFile(DOCUMENT, await format(written, { ...style, parser: 'markdown' }))
}

/** What it ran on: processors, memory, versions, commit, day. */
async function machine(): Promise<string> {
  const model = cpus()[0]?.model.trim() ?? 'unknown processor'
  const memory = `${Math.round(totalmem() / 2 ** 30)} GiB`
  const commit = await run('git', ['rev-parse', '--short', 'HEAD'], { timeout: GIT_TIMEOUT_MS }).then(
    ({ stdout }) => `commit ${stdout.trim()}`,
    () => 'no commit known',
  )
  const day = new Date(systemClock.wallMs()).toISOString().slice(0, 10)
  return `${cpus().length} × ${model}, ${memory}, Node ${process.version}, ${commit}, ${day}.`
}

/** The number behind `--name`, or the default. Throws when it is not a number above 0. */
export function numberOption(args: readonly string[], name: string, defaultValue: number): number {
  const at = args.indexOf(`--${name}`)
  if (at < 0) return defaultValue
  const value = Number(args[at + 1])
  if (!(value > 0)) throw new Error(`--${name} needs a number above 0, not ${args[at + 1]}`)
  return value
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((left, right) => left - right)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}

export function note(text: string): void {
  process.stderr.write(`${text}\n`)
}
