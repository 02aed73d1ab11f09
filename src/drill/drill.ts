import { errorMessage } from '../lib/errors.ts'
import { DRILL_USAGE, parseDrillOptions } from './drill-options.ts'
import type { DrillCommandOptions } from './drill-options.ts'
import { describeDrill } from './drill-report.ts'
import { askGateway, fieldOf, wordsOf } from './gateway-client.ts'

/** What `holdfast drill` ends with. */
const EXIT_SEAMLESS = 0
const EXIT_NOTICED = 1
/** The arguments are wrong, or the gateway could not be asked. */
const EXIT_UNASKED = 2
const EXIT_REFUSED = 3

const STATUS_REFUSED = 409

export interface DrillCommand {
  /** Ends the waiting; the drill itself goes on in the gateway. */
  readonly signal: AbortSignal
  readonly args: readonly string[]
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Where the report goes; standard output by default. */
  readonly write?: (text: string) => void
  /** Where complaints go; standard error by default. */
  readonly writeError?: (text: string) => void
}

/**
 * `holdfast drill`: has a running gateway rehearse a failover on a live stream and prints what was measured. Resolves with
 * the exit code: 0 when it was seamless, 1 when viewers may have noticed or it failed, 2 when it could not be asked for,
 * 3 when the gateway refused. Never rejects.
 */
export async function runDrillCommand({
  signal,
  args,
  environment,
  write = (text) => process.stdout.write(text),
  writeError = (text) => process.stderr.write(text),
}: DrillCommand): Promise<number> {
  if (args.includes('--help') || args.includes('-h')) {
    write(`${DRILL_USAGE}\n`)
    return EXIT_SEAMLESS
  }
  let options: DrillCommandOptions
  try {
    options = parseDrillOptions(args, environment)
  } catch (error) {
    writeError(`holdfast drill: ${errorMessage(error)}\n${DRILL_USAGE}\n`)
    return EXIT_UNASKED
  }
  try {
    const answer = await askForDrill(options, signal)
    if (answer.status !== 200) {
      writeError(`holdfast drill: ${wordsOf(answer)}\n`)
      return answer.status === STATUS_REFUSED ? EXIT_REFUSED : EXIT_UNASKED
    }
    const { body } = answer
    write(options.printsJson ? `${JSON.stringify(body, undefined, 2)}\n` : `${describeDrill(body).join('\n')}\n`)
    return fieldOf(body, 'verdict') === 'seamless' ? EXIT_SEAMLESS : EXIT_NOTICED
  } catch (error) {
    const first: unknown = error instanceof AggregateError ? error.errors[0] : error
    writeError(`holdfast drill: ${options.gateway.origin} could not be asked: ${errorMessage(first)}\n`)
    return EXIT_UNASKED
  }
}

async function askForDrill(options: DrillCommandOptions, signal: AbortSignal) {
  const streamId = await streamIdOf(options, signal)
  const { mode, target, staySeconds, returns } = options
  const body = { mode, stay_seconds: staySeconds, return: returns, ...(target === undefined ? {} : { target }) }
  return askGateway(options, { method: 'POST', path: `/streams/${encodeURIComponent(streamId)}/drill`, body }, signal)
}

/** A URL is looked up among the streams; what is not found is left for the gateway to refuse. */
async function streamIdOf(options: DrillCommandOptions, signal: AbortSignal): Promise<string> {
  if (!/^https?:\/\//i.test(options.stream)) return options.stream
  const { body } = await askGateway(options, { method: 'GET', path: '/streams' }, signal)
  const streams = fieldOf(body, 'streams')
  const found: unknown = Array.isArray(streams)
    ? streams.find((stream: unknown) => fieldOf(stream, 'original_url') === options.stream)
    : undefined
  const id = fieldOf(found, 'stream_id')
  return typeof id === 'string' ? id : 'unknown'
}
