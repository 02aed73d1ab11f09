import { randomUUID } from 'node:crypto'
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import type { Clock } from '../../lib/clock.ts'
import { HoldfastError } from '../../lib/errors.ts'
import { describeExit, ProcessUnavailable } from '../../process/process-spec.ts'
import type { Processes } from '../../process/processes.ts'
import { ProgramVersions } from '../../process/program-versions.ts'
import { runProcess } from '../../process/run-process.ts'
import type { ProcessResult } from '../../process/run-process.ts'
import type { SourceFailure } from './http-failure.ts'
import { cookiesFor, parseNetscapeCookies } from './netscape-cookies.ts'
import type { ResolverArguments, ResolverName } from './resolver-arguments.ts'

export interface ResolveRequest {
  readonly resolver: ResolverName
  /** The page, http or https. */
  readonly url: string
  readonly arguments: ResolverArguments
  /** Text of a Netscape cookie file. */
  readonly cookies?: string | undefined
  readonly userAgent: string
  readonly headers: Readonly<Record<string, string>>
  readonly signal: AbortSignal
}

/** Where the media is, and what has to be sent along. */
export interface ResolvedUrl {
  /** http or https. */
  readonly url: string
  readonly isHls: boolean
  readonly headers: Readonly<Record<string, string>>
}

export interface UrlResolverOptions {
  readonly processes: Processes
  readonly clock: Clock
  /** For the files that a program is given (cookies, headers), each gone after its run; below the data directory. */
  readonly directory: string
  readonly isEnabled: Readonly<Record<ResolverName, boolean>>
  readonly timeoutMs: number
  /** Runs at once; others wait their turn. */
  readonly runsMax: number
}

const PROGRAMS: Readonly<Record<ResolverName, string>> = { streamlink: 'streamlink', ytdlp: 'yt-dlp' }
const SETTINGS: Readonly<Record<ResolverName, string>> = { streamlink: 'STREAMLINK_ENABLED', ytdlp: 'YTDLP_ENABLED' }
const VERSION_ARGUMENTS = { streamlink: ['--version'], ytdlp: ['--ignore-config', '--version'] } as const
const OUTPUT_BYTES_MAX = 4 * 1024 * 1024
const URL_CHARACTERS_MAX = 16_384

const answerSchema = z.object({
  url: z
    .url({ protocol: /^https?$/ })
    .max(URL_CHARACTERS_MAX)
    .optional(),
  /** streamlink */
  type: z.string().optional(),
  /** yt-dlp */
  protocol: z.string().nullish(),
  headers: z.record(z.string(), z.string()).nullish(),
  http_headers: z.record(z.string(), z.string()).nullish(),
  error: z.string().optional(),
})

/** Headers that a resolver may ask to be sent; the rest is the transport's own business. */
const HEADERS_PASSED_ON = /^(?:user-agent|referer|origin|cookie|authorization|accept-language|x-[\w-]+)$/i

/** Finds out where the media of a web page is, with streamlink or yt-dlp in a process of their own. */
export class UrlResolver {
  readonly #options: UrlResolverOptions
  readonly #versions: ProgramVersions
  readonly #waiting: ((hasPlace: boolean) => void)[] = []
  #running = 0

  /** Removes what a run that was killed has left behind. */
  constructor(options: UrlResolverOptions) {
    this.#options = options
    this.#versions = new ProgramVersions(options.processes)
    mkdirSync(options.directory, { recursive: true, mode: 0o700 })
    for (const name of readdirSync(options.directory)) rmSync(join(options.directory, name), { recursive: true })
  }

  /** Throws resolver_disabled, or resolver_unavailable where the program is not installed. */
  requireAvailable(resolver: ResolverName): void {
    if (!this.#options.isEnabled[resolver]) {
      throw new HoldfastError('resolver_disabled', `The resolver ${resolver} is off (${SETTINGS[resolver]})`)
    }
    if (!this.#options.processes.isInstalled(PROGRAMS[resolver])) {
      throw new HoldfastError(
        'resolver_unavailable',
        `The resolver ${resolver} needs ${PROGRAMS[resolver]}, which is not installed`,
      )
    }
  }

  /** What the program says of its version; undefined where it is off, not installed or gives no answer. */
  async version(resolver: ResolverName): Promise<string | undefined> {
    if (!this.#options.isEnabled[resolver]) return undefined
    return await this.#versions.of(PROGRAMS[resolver], VERSION_ARGUMENTS[resolver])
  }

  /** Never throws: what goes wrong is a failure of the source. */
  async resolve(request: ResolveRequest): Promise<ResolvedUrl | SourceFailure> {
    const { resolver, signal } = request
    try {
      this.requireAvailable(resolver)
    } catch (error) {
      return { kind: 'process_unavailable', message: error instanceof Error ? error.message : String(error) }
    }
    if (!(await this.#turn(signal))) return { kind: 'aborted', message: 'the request was aborted' }
    try {
      if (signal.aborted) return { kind: 'aborted', message: 'the request was aborted' }
      return await this.#run(request)
    } catch (error) {
      if (signal.aborted) return { kind: 'aborted', message: 'the request was aborted' }
      const isUnavailable = error instanceof ProcessUnavailable
      const message = error instanceof Error ? error.message : String(error)
      return { kind: isUnavailable ? 'process_unavailable' : 'process_failed', message }
    } finally {
      const next = this.#waiting.shift()
      // The place is handed on, so that nobody comes in between.
      if (next === undefined) this.#running -= 1
      else next(true)
    }
  }

  /** True when there is a place to run; false when the signal aborted before there was one. */
  async #turn(signal: AbortSignal): Promise<boolean> {
    if (this.#running < this.#options.runsMax) {
      this.#running += 1
      return true
    }
    const { promise, resolve } = Promise.withResolvers<boolean>()
    this.#waiting.push(resolve)
    const onAbort = () => {
      const at = this.#waiting.indexOf(resolve)
      if (at < 0) return
      this.#waiting.splice(at, 1)
      resolve(false)
    }
    signal.addEventListener('abort', onAbort, { once: true })
    const hasPlace = await promise
    signal.removeEventListener('abort', onAbort)
    return hasPlace
  }

  async #run(request: ResolveRequest): Promise<ResolvedUrl | SourceFailure> {
    const { processes, directory, timeoutMs } = this.#options
    const { resolver, signal, cookies } = request
    const room = join(directory, randomUUID())
    mkdirSync(room, { mode: 0o700 })
    try {
      const result = await runProcess(processes, {
        ...{ kind: 'resolver', program: PROGRAMS[resolver], args: this.#arguments(request, room), directory: room },
        ...{ runLimitMs: timeoutMs, outputBytesMax: OUTPUT_BYTES_MAX, signal, secrets: secretsOf(cookies) },
      })
      return answerOf(result, PROGRAMS[resolver])
    } finally {
      rmSync(room, { recursive: true, force: true })
    }
  }

  /** Headers and cookies go by a file of mode 600: arguments can be read by every user of the machine. */
  #arguments(request: ResolveRequest, room: string): readonly string[] {
    const { resolver, url, arguments: given, cookies, userAgent, headers } = request
    const file = (name: string, text: string): string => {
      writeFileSync(join(room, name), text, { mode: 0o600 })
      return join(room, name)
    }
    const sent = Object.entries({ 'User-Agent': userAgent, ...headers }).filter(
      // A line of its own in the file would be an option of its own.
      ([name, value]) => /^[\w-]+$/.test(name) && !/[\r\n\0]/.test(value),
    )
    const jar = parseNetscapeCookies(cookies ?? '')
    if (resolver === 'streamlink') {
      const lines = [
        ...sent.map(([name, value]) => `http-header=${name}=${value}`),
        ...cookiesFor(jar, url, this.#options.clock.wallMs()).map(({ name, value }) => `http-cookie=${name}=${value}`),
      ]
      return [
        ...['--config', file('config', `${lines.join('\n')}\n`)],
        ...[...given.options, '--json', '--', url, given.quality],
      ]
    }
    // yt-dlp takes its options from the file as a shell would.
    const lines = sent.map(([name, value]) => `--add-header '${name}:${value.replaceAll("'", `'"'"'`)}'`)
    return [
      ...['--ignore-config', '--config-locations', file('config', `${lines.join('\n')}\n`)],
      ...['--no-playlist', '--no-cache-dir', '--no-warnings', '--no-progress', '--skip-download'],
      ...(cookies === undefined ? [] : ['--cookies', file('cookies', `# Netscape HTTP Cookie File\n${cookies}\n`)]),
      ...[...given.options, '--format', given.quality, '--print', '%(.{url,protocol,http_headers})j', '--', url],
    ]
  }
}

function answerOf({ exit, output, isOutputTooLarge }: ProcessResult, program: string): ResolvedUrl | SourceFailure {
  const evidence = { exit_code: exit.code, stderr: exit.stderrTail.slice(-5).join('\n') }
  const failed = (message: string): SourceFailure => ({ kind: 'process_failed', message, evidence })
  if (isOutputTooLarge) return failed(`${program} wrote more than ${OUTPUT_BYTES_MAX} bytes`)
  const text = output.toString('utf8').trim()
  const answer = answerSchema.safeParse(parsedJson(text))
  if (answer.success && answer.data.error !== undefined) return failed(`${program}: ${answer.data.error.slice(0, 500)}`)
  if (exit.code !== 0) return failed(describeExit(exit, program))
  if (!answer.success) return failed(`${program} did not give an http or https address`)
  const { url, type, protocol, headers, http_headers: httpHeaders } = answer.data
  if (url === undefined)
    return failed(`${program} found no single address; ask for a format that has picture and sound`)
  const isHls = type === 'hls' || protocol?.startsWith('m3u8') === true || new URL(url).pathname.endsWith('.m3u8')
  const passedOn = Object.entries(headers ?? httpHeaders ?? {}).filter(([name]) => HEADERS_PASSED_ON.test(name))
  return { url, isHls, headers: Object.fromEntries(passedOn) }
}

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Values of cookies must not show in what a program says. */
function secretsOf(cookies: string | undefined): readonly string[] {
  return (cookies ?? '').split(/\r?\n/).flatMap((line) => line.split('\t')[6] ?? [])
}
