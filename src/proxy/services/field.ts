import { isIP } from 'node:net'
import { z } from 'zod'
import { redactUrlsIn } from '../../lib/redact.ts'

/** Text of a wrong value that is shown; the rest is cut. */
const SHOWN_CHARS_MAX = 80

/** A value as it is shown in a message: JSON, cut short, without credentials in URLs. */
export function shown(value: unknown): string {
  if (value === undefined) return 'missing'
  // Whatever the scheme: a URL that is refused may still hold a password.
  const text = redactUrlsIn(jsonOf(value)).replaceAll(/\/\/[^/@\s"]*@/g, '//***@')
  return text.length <= SHOWN_CHARS_MAX ? text : `${text.slice(0, SHOWN_CHARS_MAX)}...`
}

/** An alias of YAML may stand within its own anchor, and lists may be nested deeper than the stack. */
function jsonOf(value: unknown): string {
  try {
    return JSON.stringify(value) ?? typeof value
  } catch {
    return `${Array.isArray(value) ? 'a list' : 'an object'} that contains itself or is nested too deep`
  }
}

/** What every problem says: what is allowed, and what was there instead. */
function problem(allowed: string): (issue: { readonly input?: unknown }) => string {
  return ({ input }) => `must be ${allowed}; it is ${shown(input)}`
}

interface Range {
  readonly minimum: number
  readonly maximum: number
  /** What is counted: `ms`, `bytes`, `endpoints`. */
  readonly unit?: string
}

/** A whole number within a range. */
export function integerField({ minimum, maximum, unit }: Range) {
  const error = problem(`a whole number from ${minimum} to ${maximum}${unit === undefined ? '' : ` (${unit})`}`)
  return z.number({ error }).int({ error }).min(minimum, { error }).max(maximum, { error })
}

export function numberField({ minimum, maximum, unit }: Range) {
  const error = problem(`a number from ${minimum} to ${maximum}${unit === undefined ? '' : ` (${unit})`}`)
  return z.number({ error }).min(minimum, { error }).max(maximum, { error })
}

export function booleanField() {
  return z.boolean({ error: problem('true or false') })
}

/** Text that fits `pattern`; `allowed` says in words what that is. */
export function textField(pattern: RegExp, allowed: string) {
  const error = problem(allowed)
  return z.string({ error }).regex(pattern, { error })
}

export function choiceField<const Option extends string>(options: readonly [Option, ...Option[]]) {
  return z.enum(options, { error: problem(`one of ${options.join(', ')}`) })
}

/** A list with at most `maximum` items. */
export function listField<Item extends z.ZodType>(item: Item, maximum: number, what: string) {
  const error = problem(`a list of at most ${maximum} ${what}`)
  return z.array(item, { error }).max(maximum, { error: () => `must be a list of at most ${maximum} ${what}` })
}

/** An object with these fields and no others, so that a misspelt name does not go unnoticed. */
export function objectField<Shape extends z.ZodRawShape>(shape: Shape) {
  const names = Object.keys(shape).join(', ')
  return z.strictObject(shape, {
    error: (issue) => {
      if (issue.code !== 'unrecognized_keys') return problem(`an object with the fields ${names}`)(issue)
      const unknown = (issue as { readonly keys?: readonly string[] }).keys ?? []
      return `has ${unknown.map((key) => JSON.stringify(key)).join(', ')}; the fields are ${names}`
    },
  })
}

/** A choice among objects that their `kind` tells apart. */
export function kindField<
  const Options extends readonly [z.core.$ZodTypeDiscriminable, ...z.core.$ZodTypeDiscriminable[]],
>(kinds: readonly string[], options: Options) {
  const error = (issue: { readonly input?: unknown }): string => {
    const { input } = issue
    const kind = typeof input === 'object' && input !== null ? (Reflect.get(input, 'kind') as unknown) : input
    return `must be an object whose kind is one of ${kinds.join(', ')}; it is ${shown(kind)}`
  }
  return z.discriminatedUnion('kind', options, { error })
}

/** A field name of HTTP, in lower case (RFC 9110 section 5.1). */
export function headerNameField() {
  return textField(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/, 'the name of a header field').transform((name) =>
    name.toLowerCase(),
  )
}

/** A file of the gateway's machine. */
export function fileField() {
  return textField(/^[^\0\r\n]{1,1024}$/, 'the path of a file')
}

/** A name of a region: any word. */
export function regionField() {
  return textField(/^[\w.-]{1,64}$/, 'a region: letters, digits and . _ - only')
}

/** `10.1.0.0/16`, `fd00:1::/64` or an address. */
export function networkField() {
  const error = problem('a network such as 10.1.0.0/16 or fd00:1::/64')
  return z.string({ error }).refine(isNetwork, { error })
}

function isNetwork(text: string): boolean {
  const [, address = '', prefix] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(text) ?? []
  const family = isIP(address)
  if (family === 0) return false
  return prefix === undefined || Number(prefix) <= (family === 4 ? 32 : 128)
}

/** An address of this machine to listen on. */
export function addressField() {
  const error = problem('an IP address or localhost')
  return z.string({ error }).refine((text) => text === 'localhost' || isIP(text) !== 0, { error })
}
