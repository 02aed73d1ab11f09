/** What may be said on the command line of `holdfast check`. */
export interface CheckOptions {
  readonly input: CheckInput
  /** Prints the whole report as JSON. */
  readonly printsJson: boolean
  /** Notes count as problems too. */
  readonly isStrict: boolean
  /** How long a URL or standard input is read at most. */
  readonly readMsMax: number
}

export type CheckInput =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'url'; readonly url: URL }
  | { readonly kind: 'stdin' }

const SECONDS_DEFAULT = 30
const SECONDS_MAX = 86_400
const URL_CHARACTERS_MAX = 8_192

export const CHECK_USAGE = `usage: holdfast check [--json] [--strict] [--seconds N] FILE|URL|-
  FILE|URL|-    an MPEG transport stream: a file, an http(s) URL, or - for standard input
  --json        print the whole report as JSON
  --strict      notes count as problems too
  --seconds N   read a URL or standard input for at most N seconds (${SECONDS_DEFAULT}, up to ${SECONDS_MAX})
ends with 0: no problem, 1: problems found, 2: it could not be checked`

/** Throws an Error that says what is allowed. */
export function parseCheckOptions(args: readonly string[]): CheckOptions {
  const rest = [...args]
  const inputs: string[] = []
  let printsJson = false
  let isStrict = false
  let seconds = SECONDS_DEFAULT
  let isPlain = false
  while (rest.length > 0) {
    const option = rest.shift() ?? ''
    if (isPlain || option === '-' || !option.startsWith('-')) inputs.push(option)
    else if (option === '--') isPlain = true
    else if (option === '--json') printsJson = true
    else if (option === '--strict') isStrict = true
    else if (option === '--seconds') seconds = parseSeconds(rest.shift())
    else throw new Error(`unknown option ${option}`)
  }
  const [input, ...others] = inputs
  if (input === undefined || input === '') throw new Error('nothing to check')
  if (others.length > 0) throw new Error(`one input at a time, not ${inputs.length}`)
  return { input: parseInput(input), printsJson, isStrict, readMsMax: seconds * 1_000 }
}

function parseInput(text: string): CheckInput {
  if (text === '-') return { kind: 'stdin' }
  const scheme = /^([a-z][a-z0-9+.-]+):\/\//i.exec(text)?.[1]?.toLowerCase()
  if (scheme === undefined) return { kind: 'file', path: text }
  if (scheme !== 'http' && scheme !== 'https') throw new Error(`${scheme} URLs cannot be checked, only http and https`)
  if (text.length > URL_CHARACTERS_MAX || !URL.canParse(text)) throw new Error('that is not a URL')
  return { kind: 'url', url: new URL(text) }
}

function parseSeconds(text: string | undefined): number {
  const seconds = text !== undefined && /^\d{1,6}$/.test(text) ? Number(text) : Number.NaN
  if (seconds >= 1 && seconds <= SECONDS_MAX) return seconds
  throw new Error(`--seconds takes a whole number from 1 to ${SECONDS_MAX}, not ${String(text)}`)
}
