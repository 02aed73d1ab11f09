/** What may be said on the command line of `holdfast drill`. */
export interface DrillCommandOptions {
  /** A stream's id or the URL that it was created with. */
  readonly stream: string
  readonly gateway: URL
  readonly token: string | undefined
  readonly mode: string
  readonly target: number | string | undefined
  readonly staySeconds: number
  readonly returns: boolean
  /** Prints the report as the gateway gives it. */
  readonly printsJson: boolean
}

const GATEWAY = 'http://127.0.0.1:8085'
const STAY_SECONDS = 5
const STAY_SECONDS_MAX = 300

export const DRILL_USAGE = `usage: holdfast drill [options] STREAM
  STREAM         the id of a live stream, or the URL that it was created with
  --mode MODE    switch (the default), reset, stall, not_media, no_video, no_audio, continuity_errors, frozen_timestamps
  --target T     where to go: an index (0 the primary) or a URL; where the stream would go by default
  --stay N       seconds on the other source (${STAY_SECONDS}, up to ${STAY_SECONDS_MAX})
  --no-return    stay there
  --gateway URL  the running gateway (${GATEWAY})
  --token TOKEN  its API token; the environment's API_TOKEN by default
  --json         print the report as JSON
ends with 0: seamless, 1: viewers may have noticed or it failed, 2: it could not be asked for, 3: refused`

/** Throws an Error that says what is allowed. */
export function parseDrillOptions(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): DrillCommandOptions {
  const rest = [...args]
  const streams: string[] = []
  const given = new Map<string, string>()
  const flags = new Set<string>()
  while (rest.length > 0) {
    const option = rest.shift() ?? ''
    if (!option.startsWith('-')) streams.push(option)
    else if (WITH_VALUE.has(option)) given.set(option, valueOf(option, rest.shift()))
    else if (FLAGS.has(option)) flags.add(option)
    else throw new Error(`unknown option ${option}`)
  }
  const [stream, ...others] = streams
  if (stream === undefined || stream === '') throw new Error('no stream is named')
  if (others.length > 0) throw new Error(`one stream at a time, not ${streams.length}`)
  const target = given.get('--target')
  return {
    stream,
    gateway: parseGateway(given.get('--gateway') ?? GATEWAY),
    token: given.get('--token') ?? (environment['API_TOKEN'] === '' ? undefined : environment['API_TOKEN']),
    mode: given.get('--mode') ?? 'switch',
    target: target !== undefined && /^\d{1,4}$/.test(target) ? Number(target) : target,
    staySeconds: parseStay(given.get('--stay')),
    returns: !flags.has('--no-return'),
    printsJson: flags.has('--json'),
  }
}

const WITH_VALUE: ReadonlySet<string> = new Set(['--mode', '--target', '--stay', '--gateway', '--token'])
const FLAGS: ReadonlySet<string> = new Set(['--json', '--no-return'])

function valueOf(option: string, value: string | undefined): string {
  if (value === undefined || value === '') throw new Error(`${option} needs a value`)
  return value
}

function parseGateway(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url?.protocol === 'http:' || url?.protocol === 'https:') return url
  throw new Error(`--gateway takes an http or https URL, not ${text}`)
}

function parseStay(text: string | undefined): number {
  if (text === undefined) return STAY_SECONDS
  const seconds = /^\d{1,3}(\.\d{1,3})?$/.test(text) ? Number(text) : Number.NaN
  if (seconds >= 1 && seconds <= STAY_SECONDS_MAX) return seconds
  throw new Error(`--stay takes 1 to ${STAY_SECONDS_MAX} seconds, not ${text}`)
}
