import { lookup as systemLookup } from 'node:dns'
import { isIP } from 'node:net'
import type { LookupFunction } from 'node:net'
import type { Timer } from '../../lib/clock.ts'
import { redactUrl } from '../../lib/redact.ts'
import { ProcessUnavailable } from '../../process/process-spec.ts'
import type { Processes } from '../../process/processes.ts'
import type { SupervisedProcess } from '../../process/supervised-process.ts'
import { addressForbidden, isPublicAddress, publicOnlyLookup } from './address-guard.ts'
import { resolveFileSource } from './file-source.ts'
import type {
  SourceFailure,
  SourceNetwork,
  SourceReader,
  SourceRequest,
  SourceResponseHandler,
  SourceTransport,
} from './http-client.ts'
import { ADDRESS_FORBIDDEN_CODE, internalFailure } from './http-failure.ts'
import { REMUX_SCHEMES, remuxArguments } from './remux-arguments.ts'
import type { RemuxInput, RemuxScheme } from './remux-arguments.ts'
import { remuxFailure, remuxUnavailable } from './remux-failure.ts'

export interface RemuxOptions {
  readonly processes: Processes
  /** Directories below which `file:` sources may lie. */
  readonly fileDirectories: readonly string[]
  /** `ffmpeg` by default. */
  readonly program?: string
}

/** Between SIGTERM, upon which ffmpeg says goodbye to an RTSP server, and SIGKILL. */
const STOP_LIMIT_MS = 1_000

/**
 * Reads what HTTP cannot pull (rtsp, srt, rtmp, udp, rtp, file) through an ffmpeg of its own that copies and never decodes;
 * what comes is MPEG-TS. A host that only upstream content named may not be private, and is connected to at the very
 * address that was checked.
 */
export function createRemuxTransport(options: RemuxOptions): SourceTransport {
  return (request, handler, network) => new RemuxSource(options, request, handler, network)
}

class RemuxSource implements SourceReader {
  readonly #options: RemuxOptions
  readonly #request: SourceRequest
  readonly #handler: SourceResponseHandler
  readonly #network: SourceNetwork
  readonly #openedAtMs: number
  readonly #onAbort = () => this.#fail({ kind: 'aborted', message: 'the request was aborted' })
  #process: SupervisedProcess | undefined
  readonly #answerTimer: Timer
  #hasAnswered = false
  #isDone = false
  #isPaused = false

  constructor(options: RemuxOptions, request: SourceRequest, handler: SourceResponseHandler, network: SourceNetwork) {
    this.#options = options
    this.#request = request
    this.#handler = handler
    this.#network = network
    this.#openedAtMs = network.clock.nowMs()
    const { answerTimeoutMs, signal } = request
    this.#answerTimer = network.clock.schedule(answerTimeoutMs, () =>
      this.#fail({
        kind: 'answer_timeout',
        message: `no media within ${answerTimeoutMs} ms`,
        evidence: { stderr: this.#process?.stderrTail.slice(-3).join('\n') ?? '' },
      }),
    )
    signal.addEventListener('abort', this.#onAbort, { once: true })
    void this.#open()
  }

  close(): void {
    if (this.#isDone) return
    this.#isDone = true
    this.#answerTimer.cancel()
    this.#request.signal.removeEventListener('abort', this.#onAbort)
    // What it still writes until it is gone must not fill the pipe that it waits for.
    this.#process?.stdout?.removeAllListeners('data').resume()
    void this.#process?.stop()
  }

  pause(): void {
    this.#isPaused = true
    this.#process?.stdout?.pause()
  }

  resume(): void {
    this.#isPaused = false
    if (!this.#isDone) this.#process?.stdout?.resume()
  }

  async #open(): Promise<void> {
    try {
      const input = await this.#input()
      if (this.#isDone) return
      if ('kind' in input) this.#fail(input)
      else this.#start(input)
    } catch (error) {
      this.#fail(error instanceof ProcessUnavailable ? remuxUnavailable(error) : internalFailure(error))
    }
  }

  async #input(): Promise<RemuxInput | SourceFailure> {
    // Nothing is called back before the opening has returned.
    await Promise.resolve()
    if (this.#request.signal.aborted) return { kind: 'aborted', message: 'the request was aborted' }
    const { url, userAgent, connectTimeoutMs, operatorHosts } = this.#request
    const scheme = schemeOf(url)
    if (scheme === undefined) return { kind: 'protocol', message: 'the scheme of the URL is not one that ffmpeg reads' }
    const common = { scheme, userAgent, connectTimeoutMs }
    if (scheme === 'file') {
      const file = await resolveFileSource(url, this.#options.fileDirectories)
      return 'kind' in file ? file : { ...common, url: `file:${file.path}`, isLooped: file.isLooped }
    }
    const { hostname } = new URL(url)
    if (operatorHosts.has(hostname)) return { ...common, url }
    if (scheme === 'udp' || scheme === 'rtp') {
      return { kind: 'address_forbidden', message: 'only the operator may name where to listen for datagrams' }
    }
    const address = await publicAddressOf(hostname, this.#network.lookup)
    return typeof address === 'string' ? { ...common, url: withHost(url, address), nominalUrl: url } : address
  }

  #start(input: RemuxInput): void {
    const started = this.#options.processes.start({
      kind: 'source',
      program: this.#options.program ?? 'ffmpeg',
      args: remuxArguments(input),
      secrets: secretsOf(this.#request.url),
      stopLimitMs: STOP_LIMIT_MS,
    })
    this.#process = started
    const { stdout } = started
    const drained = Promise.withResolvers<void>()
    stdout?.on('data', (chunk: Buffer) => this.#take(chunk))
    stdout?.once('close', () => drained.resolve())
    if (this.#isPaused) stdout?.pause()
    void Promise.all([started.exited, drained.promise]).then(([exit]) => {
      if (exit.code === 0 && this.#hasAnswered) this.#finish(() => this.#handler.onEnd())
      else this.#fail(remuxFailure(exit))
    })
  }

  #take(chunk: Buffer): void {
    if (this.#isDone) return
    try {
      if (!this.#hasAnswered && this.#answer() === 'reject') {
        this.#fail({ kind: 'http_status', message: 'what came was refused', status: 200 })
        return
      }
      // The handler may have closed it.
      if (!this.#isDone && !this.#handler.onData(chunk)) this.pause()
    } catch (error) {
      // Thrown on, it would end the gateway.
      this.#fail(internalFailure(error))
    }
  }

  #answer(): 'accept' | 'reject' {
    this.#hasAnswered = true
    this.#answerTimer.cancel()
    return this.#handler.onHead({
      status: 200,
      headers: { 'content-type': 'video/mp2t' },
      finalUrl: redactUrl(this.#request.url),
      elapsedMs: this.#network.clock.nowMs() - this.#openedAtMs,
    })
  }

  #fail(failure: SourceFailure): void {
    this.#finish(() => this.#handler.onFailure(failure))
  }

  #finish(tell: () => void): void {
    if (this.#isDone) return
    this.close()
    tell()
  }
}

function schemeOf(url: string): RemuxScheme | undefined {
  const protocol = URL.canParse(url) ? new URL(url).protocol.slice(0, -1) : ''
  return REMUX_SCHEMES.find((scheme) => scheme === protocol)
}

/** One public address of a host that the operator did not name, or why there is none. */
async function publicAddressOf(
  hostname: string,
  lookup: LookupFunction = systemLookup,
): Promise<string | SourceFailure> {
  const bare = hostname.replace(/^\[(.*)\]$/, '$1')
  const forbidden: SourceFailure = { kind: 'address_forbidden', message: addressForbidden(hostname).message }
  if (isIP(bare) !== 0) return isPublicAddress(bare) ? bare : forbidden
  const { promise, resolve } = Promise.withResolvers<string | SourceFailure>()
  publicOnlyLookup(lookup)(bare, { all: false }, (error, address) => {
    if (error === null && typeof address === 'string') resolve(address)
    else if (error?.code === ADDRESS_FORBIDDEN_CODE) resolve(forbidden)
    else resolve({ kind: 'dns', message: `the host name did not resolve (${error?.code ?? 'no address'})` })
  })
  return promise
}

function withHost(url: string, address: string): string {
  const parsed = new URL(url)
  parsed.hostname = isIP(address) === 6 ? `[${address}]` : address
  return parsed.href
}

/** What of a URL must not show in what ffmpeg says about it. */
function secretsOf(url: string): readonly string[] {
  const { username, password, searchParams } = new URL(url)
  const query = ['passphrase', 'streamid', 'srt_streamid'].map((name) => searchParams.get(name) ?? '')
  const plain = [username, password, ...query].filter((secret) => secret !== '')
  return [...plain, ...plain.map((secret) => decoded(secret))]
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
