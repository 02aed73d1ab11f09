/** What may be said on the demo's command line; durations in milliseconds. */
export interface DemoOptions {
  /** How long it runs; undefined: until it is interrupted. */
  readonly durationMs: number | undefined
  /** From one failure to the next. */
  readonly breakEveryMs: number
  /** Shows the gateway's own log between the demo's lines. */
  readonly showsLog: boolean
}

const BREAK_EVERY_SECONDS = 20
const SECONDS_MIN = 2
const SECONDS_MAX = 86_400

const DEMO_USAGE = `usage: npm run demo -- [--seconds N] [--every N] [--log]
  --seconds N   end after N seconds instead of at Ctrl-C
  --every N     break a source every N seconds (${BREAK_EVERY_SECONDS})
  --log         show the gateway's log as well`

/** Throws an Error that says what is allowed. */
export function parseDemoOptions(args: readonly string[]): DemoOptions {
  const rest = [...args]
  let durationMs: number | undefined
  let breakEveryMs = BREAK_EVERY_SECONDS * 1000
  let showsLog = false
  while (rest.length > 0) {
    const option = rest.shift()
    if (option === '--seconds') durationMs = secondsAfter(option, rest.shift())
    else if (option === '--every') breakEveryMs = secondsAfter(option, rest.shift())
    else if (option === '--log') showsLog = true
    else throw new Error(`unknown option ${String(option)}\n${DEMO_USAGE}`)
  }
  return { durationMs, breakEveryMs, showsLog }
}

function secondsAfter(option: string, text: string | undefined): number {
  const seconds = text !== undefined && /^\d{1,6}$/.test(text) ? Number(text) : Number.NaN
  if (!(seconds >= SECONDS_MIN && seconds <= SECONDS_MAX)) {
    throw new Error(`${option} takes a whole number of seconds from ${SECONDS_MIN} to ${SECONDS_MAX}\n${DEMO_USAGE}`)
  }
  return seconds * 1000
}
