import { judgeOption } from './ffmpeg-options.ts'
import { fillIn, INPUT_PLACE, OUTPUT_PLACES, splitArguments, TemplateError } from './profile-template.ts'

export type TranscodeFormat = 'mpegts' | 'hls'

/** What a profile comes to once its variables are known: checked, and free of inputs and outputs. */
export interface EncoderArguments {
  /** Go before the input. */
  readonly input: readonly string[]
  /** Go after it. */
  readonly output: readonly string[]
  /** What the line itself asks for, by `-f hls` or `-hls_time`; undefined where it says nothing. */
  readonly format: TranscodeFormat | undefined
}

/** What of a profile cannot be used; every problem in words. */
export class ProfileRefused extends Error {
  readonly problems: readonly string[]

  constructor(problems: readonly string[]) {
    super(problems.join('; '))
    this.name = 'ProfileRefused'
    this.problems = problems
  }
}

const FORMATS: Readonly<Record<string, TranscodeFormat>> = { mpegts: 'mpegts', ts: 'mpegts', hls: 'hls' }

/**
 * Reads a profile's line: splits it, fills in its variables, and checks each option against the allow-list. `-i
 * {input_url}` and `{output_args}` are places that the gateway fills; nothing else may be read or written. Throws
 * ProfileRefused with every problem.
 */
export function encoderArguments(
  line: string,
  given: Readonly<Record<string, string>>,
  defaults: Readonly<Record<string, string>>,
): EncoderArguments {
  const reader = new LineReader()
  let words: readonly string[]
  try {
    words = splitArguments(line)
  } catch (error) {
    if (error instanceof TemplateError) throw new ProfileRefused([`the profile ${error.message}`])
    throw error
  }
  const values = words.map((word) => {
    if (word === INPUT_PLACE || OUTPUT_PLACES.includes(word)) return word
    try {
      return fillIn(word, given, defaults)
    } catch (error) {
      if (!(error instanceof TemplateError)) throw error
      reader.problems.push(`the profile ${error.message}`)
      return undefined
    }
  })
  if (reader.problems.length > 0) throw new ProfileRefused(reader.problems)
  for (let at = 0; at < values.length;) at += reader.read(values[at] ?? '', values[at + 1], at === values.length - 1)
  if (reader.problems.length > 0) throw new ProfileRefused(reader.problems)
  return { input: reader.input, output: reader.output, format: reader.format }
}

class LineReader {
  readonly problems: string[] = []
  readonly input: string[] = []
  readonly output: string[] = []
  format: TranscodeFormat | undefined

  /** Takes the argument and as many of those behind it as belong to it; returns how many those are. */
  read(word: string, next: string | undefined, isLast: boolean): number {
    if (word === '-i' && next === INPUT_PLACE) return 2
    if (isLast && OUTPUT_PLACES.includes(word)) return 1
    if (word === '-f') return this.#readFormat(next)
    if (word === '-hls_time' && next !== undefined) {
      this.format = 'hls'
      if (!/^\d{1,2}(?:\.\d{1,3})?$/.test(next)) this.problems.push('-hls_time must be a number of seconds below 100')
      return 2
    }
    const verdict = judgeOption(word, next)
    switch (verdict.kind) {
      case 'allowed':
        ;(verdict.isInput ? this.input : this.output).push(word, ...(verdict.valueCount === 1 ? [next ?? ''] : []))
        return 1 + verdict.valueCount
      case 'left_out':
        return 1 + verdict.valueCount
      case 'refused':
        this.problems.push(verdict.message)
        // Its value, if it has one, is no problem of its own.
        return word.startsWith('-') && next !== undefined && !next.startsWith('-') && !OUTPUT_PLACES.includes(next)
          ? 2
          : 1
      default:
        return verdict satisfies never
    }
  }

  #readFormat(value: string | undefined): number {
    const format = value === undefined ? undefined : FORMATS[value]
    if (format === undefined) this.problems.push('-f must be mpegts or hls')
    else this.format = format
    return 2
  }
}
