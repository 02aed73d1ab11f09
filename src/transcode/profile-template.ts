/**
 * A profile's arguments as one line of text with places for variables: `{name}`, or `{name|default}`. The line is split
 * first and filled in afterwards, each argument by itself, so that no value can ever become a second argument. Nothing of
 * it is shown to a shell.
 */

/** Longest line that is taken, in characters, and most arguments in it. */
export const TEMPLATE_CHARACTERS_MAX = 4_096
const ARGUMENTS_MAX = 256
const VARIABLES_MAX = 32
const VALUE_CHARACTERS_MAX = 64

/** What a value may look like. */
const NUMBER = /^-?\d{1,9}(?:\.\d{1,6})?[kKmM]?$/
const SIZE = /^\d{2,5}[x:]\d{2,5}$/
const NAME = /^[A-Za-z][A-Za-z0-9_.-]{0,63}$/
const VARIABLE_NAME = /^[a-z][a-z0-9_]{0,31}$/
const PLACE = /\{([a-z][a-z0-9_]{0,31})(?:\|([^{}]*))?\}/g

/** Where the gateway's own input and output stand; no value can take their place. */
export const INPUT_PLACE = '{input_url}'
export const OUTPUT_PLACES: readonly string[] = ['{output_args}', '{output_args|pipe:1}', 'pipe:1', '-']
const RESERVED: ReadonlySet<string> = new Set(['input_url', 'output_args'])

export interface VariableProblem {
  readonly name: string
  readonly message: string
}

/** Why these variables cannot be used, each with its name; none when they can. */
export function variableProblems(variables: Readonly<Record<string, string>>): readonly VariableProblem[] {
  const entries = Object.entries(variables)
  if (entries.length > VARIABLES_MAX) {
    return [{ name: '', message: `must have at most ${VARIABLES_MAX} variables` }]
  }
  return entries.flatMap(([name, value]) => {
    const message = problemOf(name, value)
    return message === undefined ? [] : [{ name, message }]
  })
}

function problemOf(name: string, value: string): string | undefined {
  if (RESERVED.has(name)) return 'is set by the gateway itself'
  if (!VARIABLE_NAME.test(name)) return 'must be named with small letters, digits and _'
  return isValue(value)
    ? undefined
    : `must be a number (with k or M if need be), a size such as 1280x720, or a name of at most ${VALUE_CHARACTERS_MAX} letters, digits, _, . and -`
}

function isValue(value: string): boolean {
  return NUMBER.test(value) || SIZE.test(value) || NAME.test(value)
}

export class TemplateError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'TemplateError'
  }
}

/**
 * The arguments of a line: words between spaces, of which single or double quotes may hold some together. There are no
 * escapes, no substitutions and no comments. Throws a TemplateError.
 */
export function splitArguments(line: string): readonly string[] {
  if (line.length > TEMPLATE_CHARACTERS_MAX) {
    throw new TemplateError(`is longer than ${TEMPLATE_CHARACTERS_MAX} characters`)
  }
  // oxlint-disable-next-line no-control-regex
  if (/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/.test(line)) throw new TemplateError('holds control characters')
  const found: string[] = []
  let word: string | undefined
  let quote = ''
  for (const character of line) {
    if (quote !== '') {
      if (character === quote) quote = ''
      else word = (word ?? '') + character
    } else if ((character === '"' || character === "'") && (word === undefined || character === '"')) {
      quote = character
      word ??= ''
    } else if (/\s/.test(character)) {
      if (word !== undefined) found.push(word)
      word = undefined
    } else {
      word = (word ?? '') + character
    }
  }
  if (quote !== '') throw new TemplateError(`has a ${quote} without its end`)
  if (word !== undefined) found.push(word)
  if (found.length > ARGUMENTS_MAX) throw new TemplateError(`has more than ${ARGUMENTS_MAX} arguments`)
  return found
}

/**
 * One argument with its places filled in: what was given, else the default of the place, else the gateway's own default.
 * Throws a TemplateError when a place has none of them.
 */
export function fillIn(
  argument: string,
  given: Readonly<Record<string, string>>,
  defaults: Readonly<Record<string, string>>,
): string {
  return argument.replace(PLACE, (_place, name: string, otherwise: string | undefined) => {
    const value = own(given, name) ?? otherwise ?? own(defaults, name)
    if (value === undefined) throw new TemplateError(`needs the variable ${name}, which was not given`)
    return value
  })
}

function own(values: Readonly<Record<string, string>>, name: string): string | undefined {
  return Object.hasOwn(values, name) ? values[name] : undefined
}
