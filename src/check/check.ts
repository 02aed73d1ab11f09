import { systemClock } from '../lib/clock.ts'
import type { Clock } from '../lib/clock.ts'
import { errorMessage } from '../lib/errors.ts'
import { createAnalyser } from '../mpegts/analyser/analyser.ts'
import type { AnalyserReport } from '../mpegts/analyser/report.ts'
import { readInput } from './check-input.ts'
import type { InputEnd } from './check-input.ts'
import { CHECK_USAGE, parseCheckOptions } from './check-options.ts'
import type { CheckOptions } from './check-options.ts'
import { describeReport } from './check-report.ts'

/** What `holdfast check` ends with. */
const EXIT_CLEAN = 0
const EXIT_PROBLEMS = 1
/** The arguments are wrong, or there is nothing that could be read. */
const EXIT_UNCHECKED = 2
/** How an HLS playlist begins (RFC 8216 §4.3.1.1). */
const PLAYLIST_START = '#EXTM3U'

export interface CheckCommand {
  /** Ends the reading; what came until then is reported. */
  readonly signal: AbortSignal
  readonly args: readonly string[]
  /** Where the report goes; standard output by default. */
  readonly write?: (text: string) => void
  /** Where complaints go; standard error by default. */
  readonly writeError?: (text: string) => void
  readonly clock?: Clock
  readonly stdin?: AsyncIterable<Buffer | string>
}

/**
 * `holdfast check`: says whether a transport stream is legal and decodable through its seams. Resolves with the exit
 * code: 0 when no problem was found, 1 when one was, 2 when it could not be checked. Never rejects.
 */
export async function runCheck({
  signal,
  args,
  write = (text) => process.stdout.write(text),
  writeError = (text) => process.stderr.write(text),
  clock = systemClock,
  stdin = process.stdin,
}: CheckCommand): Promise<number> {
  if (args.includes('--help') || args.includes('-h')) {
    write(`${CHECK_USAGE}\n`)
    return EXIT_CLEAN
  }
  let options: CheckOptions
  try {
    options = parseCheckOptions(args)
  } catch (error) {
    writeError(`holdfast check: ${errorMessage(error)}\n${CHECK_USAGE}\n`)
    return EXIT_UNCHECKED
  }
  const analyser = createAnalyser()
  let start = ''
  const onBytes = (bytes: Buffer) => {
    if (start.length < PLAYLIST_START.length) start += bytes.toString('latin1', 0, PLAYLIST_START.length)
    analyser.push(bytes)
  }
  const end = await readInput({ options, signal, clock, stdin, onBytes })
  if (end.kind === 'failed' && !end.hasBegun) {
    writeError(`holdfast check: ${end.reason}\n`)
    return EXIT_UNCHECKED
  }
  const report = analyser.report()
  if (start.startsWith(PLAYLIST_START) && report.packets === 0) {
    writeError('holdfast check: that is an HLS playlist; check one of the segments that it names\n')
    return EXIT_UNCHECKED
  }
  write(options.printsJson ? `${JSON.stringify({ ...report, end }, undefined, 2)}\n` : textOf(report, end))
  return hasProblems(report, end, options) ? EXIT_PROBLEMS : EXIT_CLEAN
}

function hasProblems({ errors, warnings, notes }: AnalyserReport, end: InputEnd, { isStrict }: CheckOptions): boolean {
  return errors + warnings > 0 || end.kind === 'failed' || (isStrict && notes > 0)
}

function textOf(report: AnalyserReport, end: InputEnd): string {
  const lines = [...describeReport(report)]
  if (end.kind === 'failed') lines.push('', `the input broke off: ${end.reason}`)
  if (end.kind === 'interrupted') lines.push('', 'interrupted: this is what came until then')
  return `${lines.join('\n')}\n`
}
