/** One environment variable: how its text becomes a value, and what the documentation says of it. */
export interface Setting<Value> {
  readonly name: string
  readonly group: SettingGroup
  /** As the operator would write it; '' means unset. */
  readonly defaultText: string
  readonly unit: string
  readonly doc: string
  /** Throws an Error whose message says what is allowed. */
  parse(text: string): Value
  readonly defaultValue: Value
}

export type SettingGroup =
  | 'server'
  | 'access'
  | 'sources'
  | 'failover'
  | 'tunnels'
  | 'proxy'
  | 'detection'
  | 'transcoding'
  | 'viewers'
  | 'hls'
  | 'broadcasts'
  | 'events'

export interface SettingText {
  readonly name: string
  readonly group: SettingGroup
  readonly doc: string
}

interface Range {
  readonly minimum: number
  readonly maximum: number
}

export function integer(text: SettingText, defaultValue: number, unit: string, range: Range): Setting<number> {
  return numeric(text, defaultValue, unit, range, { form: /^-?\d{1,15}$/, words: 'a whole number' })
}

/** A number with a fraction if need be. */
export function decimal(text: SettingText, defaultValue: number, unit: string, range: Range): Setting<number> {
  return numeric(text, defaultValue, unit, range, { form: /^-?\d{1,9}(\.\d{1,6})?$/, words: 'a number' })
}

function numeric(
  text: SettingText,
  defaultValue: number,
  unit: string,
  range: Range,
  { form, words }: { readonly form: RegExp; readonly words: string },
): Setting<number> {
  return {
    ...text,
    unit,
    defaultText: String(defaultValue),
    defaultValue,
    parse: (value) => {
      const parsed = form.test(value) ? Number(value) : Number.NaN
      if (!(parsed >= range.minimum && parsed <= range.maximum)) {
        throw new Error(`must be ${words} from ${range.minimum} to ${range.maximum} (${unit})`)
      }
      return parsed
    },
  }
}

/** Written in seconds (fractions allowed), read as milliseconds. */
export function seconds(text: SettingText, defaultSeconds: number, range: Range): Setting<number> {
  return {
    ...text,
    unit: 'seconds',
    defaultText: String(defaultSeconds),
    defaultValue: defaultSeconds * 1000,
    parse: (value) => {
      const parsed = /^\d{1,9}(\.\d{1,6})?$/.test(value) ? Number(value) : Number.NaN
      if (!(parsed >= range.minimum && parsed <= range.maximum)) {
        throw new Error(`must be a number of seconds from ${range.minimum} to ${range.maximum}`)
      }
      return parsed * 1000
    },
  }
}

export function boolean(text: SettingText, defaultValue: boolean): Setting<boolean> {
  return {
    ...text,
    unit: 'true or false',
    defaultText: String(defaultValue),
    defaultValue,
    parse: (value) => {
      if (/^(true|1|yes|on)$/i.test(value)) return true
      if (/^(false|0|no|off)$/i.test(value)) return false
      throw new Error('must be true or false')
    },
  }
}

export function choice<const Option extends string>(
  text: SettingText,
  options: readonly Option[],
  defaultValue: NoInfer<Option>,
): Setting<Option> {
  return {
    ...text,
    unit: options.join(', '),
    defaultText: defaultValue,
    defaultValue,
    parse: (value) => {
      const found = options.find((option) => option === value.toLowerCase())
      if (found === undefined) throw new Error(`must be one of ${options.join(', ')}`)
      return found
    },
  }
}

interface Pattern {
  readonly pattern: RegExp
  readonly allowed: string
}

export function string(
  text: SettingText,
  defaultValue: string,
  { pattern, allowed }: Pattern = { pattern: /^[^\r\n]{0,4096}$/, allowed: 'one line of text' },
): Setting<string> {
  return {
    ...text,
    unit: 'text',
    defaultText: defaultValue,
    defaultValue,
    parse: (value) => {
      if (!pattern.test(value)) throw new Error(`must be ${allowed}`)
      return value
    },
  }
}

/** Text that may be left out. */
export function optionalString(text: SettingText): Setting<string | undefined> {
  const inner = string(text, '')
  return { ...inner, defaultValue: undefined }
}
