import { HoldfastError } from '../lib/errors.ts'
import type { Processes } from '../process/processes.ts'
import type { HlsViewRequest } from '../streams/hls/hls-output.ts'
import { LiveStream } from '../streams/live-stream.ts'
import type { LiveStreamOptions } from '../streams/live-stream.ts'
import type {
  ClientSnapshot,
  FailoverResult,
  RenditionRequest,
  StopReason,
  StreamRequest,
  StreamSnapshot,
  TranscodeRequest,
  TranscoderSnapshot,
  ViewRequest,
} from '../streams/service.ts'
import type { SourceFailure } from '../streams/sources/http-client.ts'
import type { StreamMemory } from '../streams/stream-counters.ts'
import type { StreamOptions } from '../streams/stream-context.ts'
import type { Stream } from '../streams/stream.ts'
import { isHlsUrl } from '../streams/stream-kind.ts'
import { ENCODER_PROVEN_MS, EncoderHealth } from './encoder-health.ts'
import { EncoderPlan } from './encoder-plan.ts'
import type { EncoderRun } from './encoder-run.ts'
import type { Hardware } from './hardware.ts'
import { LadderOutput } from './ladder/ladder-output.ts'
import type { Profiles } from './profiles.ts'
import {
  inputEvents,
  inputLog,
  inputMemory,
  inputRequest,
  outputEvents,
  outputLimits,
  outputMemory,
  outputPolicy,
  outputRequest,
} from './stream-halves.ts'
import { SwitchingInput } from './switching-input.ts'
import type { TranscodedOutput } from './transcoded-output.ts'
import { createTranscoderTransport } from './transcoder-transport.ts'
import type { TranscoderTransport } from './transcoder-transport.ts'

/** What every stream that is encoded anew is given. */
export interface TranscodingContext {
  readonly processes: Processes
  /** ffmpeg, as it is found on the PATH. */
  readonly program: string
  readonly profiles: Profiles
  readonly hardware: Hardware
  /** TRANSCODE_RAW_ARGS. */
  readonly mayBeRaw: boolean
  /** From the first media that an encoder is given to the first that it puts out. */
  readonly startLimitMs: number
}

/** For so long an encoder may be given media and put out none. */
const SILENCE_LIMIT_MS = 6_000
/** Why a source is left that encoders cannot read. */
const REJECTED = 'transcode_failed'

/**
 * A stream that is encoded anew: an input that takes in the sources and joins them into one programme, one encoder that
 * reads it for as long as the output has viewers, and an output whose only source is that encoder. A switch between the
 * sources happens before the encoder, which goes on; the death of an encoder happens before the output, whose viewers
 * stay.
 */
export class TranscodedStream implements Stream {
  readonly #options: StreamOptions
  readonly #context: TranscodingContext
  readonly #input: LiveStream
  readonly #encoderInput: SwitchingInput
  readonly #output: TranscodedOutput
  readonly #plan: EncoderPlan
  readonly #transport: TranscoderTransport
  readonly #health = new EncoderHealth()
  #request: StreamRequest
  #transcode: TranscodeRequest
  #run: EncoderRun | undefined
  #restarts = 0
  #lastFailure: string | undefined

  /** Throws when there is no such profile, or it may not be used. */
  constructor(options: StreamOptions, context: TranscodingContext) {
    const { request, memory, events, log, clock } = options
    const { transcode } = request
    if (transcode === undefined) throw new HoldfastError('internal_error', 'a transcoded stream without a profile')
    this.#options = options
    this.#context = context
    this.#request = request
    this.#transcode = transcode
    this.#plan = new EncoderPlan({ ...context, transcode: () => this.#transcode })
    const viewerCount = () => this.#output.viewerCount
    this.#input = new LiveStream({
      ...options,
      ...{ kind: isHlsUrl(request.url) ? 'hls' : 'live', request: inputRequest(request), memory: inputMemory(memory) },
      ...{ events: inputEvents(events, viewerCount), log: inputLog(log), countBytes: () => {} },
      onSwitched: (receipt) => {
        this.#encoderInput.switched()
        options.onSwitched({ ...receipt, viewers: viewerCount() })
      },
      metrics: {
        ...boundMetrics(options.metrics),
        sourceFailed: (reason) => {
          options.metrics.sourceFailed(reason)
          // What the group makes of it comes first.
          queueMicrotask(() => this.#inputFailed(reason))
        },
      },
    })
    this.#encoderInput = new SwitchingInput(this.#input, clock)
    this.#transport = this.#createTransport()
    this.#output = this.#createOutput()
  }

  #createTransport(): TranscoderTransport {
    return createTranscoderTransport({
      ...this.#context,
      input: this.#encoderInput,
      needsMore: (head) => this.#plan.needsMore(head),
      encoder: async (head) => await this.#plan.arguments(head),
      hasVideo: this.#plan.hasVideo,
      silenceLimitMs: SILENCE_LIMIT_MS,
      onRun: (run) => {
        this.#run = run
        if (this.#output.snapshot().phase === 'starting') this.#plan.forgetSource()
      },
      tryAgain: (run) => this.#encoderFailed(run, run.end?.message ?? 'it failed'),
    })
  }

  #createOutput(): TranscodedOutput {
    const { request, memory, limits, policy, events } = this.#options
    const options: LiveStreamOptions = {
      ...this.#options,
      ...{ kind: 'live', request: outputRequest(request), memory: outputMemory(memory) },
      ...{ limits: outputLimits(limits, this.#context.startLimitMs), policy: outputPolicy(policy) },
      events: outputEvents(events, () => this.#input.snapshot().currentUrl),
      onSwitched: () => {},
      metrics: { switched: () => {}, sourceCondition: () => {}, sourceFailed: (reason) => this.#outputFailed(reason) },
      transportOf: () => this.#transport.open,
    }
    const isLadder = this.#plan.profile.ladder !== undefined
    return isLadder ? new LadderOutput({ ...options, rungs: () => this.#plan.rungs }) : new LiveStream(options)
  }

  get request(): StreamRequest {
    return this.#request
  }

  get memory(): StreamMemory {
    const { bytesServed, segmentsServed, hls } = this.#output.memory
    return {
      ...this.#input.memory,
      bytesServed,
      ...(segmentsServed === undefined ? {} : { segmentsServed }),
      ...(hls === undefined ? {} : { hls }),
    }
  }

  get viewerCount(): number {
    return this.#output.viewerCount
  }

  start(): void {
    this.#output.start()
  }

  async lookAtSources(): Promise<void> {
    await this.#input.lookAtSources()
  }

  async view(request: ViewRequest, clientId: string): Promise<void> {
    this.#admit()
    await this.#explained(this.#output.view(request, clientId))
  }

  async serveHls(request: HlsViewRequest, clientId: string): Promise<void> {
    if (!this.#output.hasHlsClient(clientId)) this.#admit()
    await this.#explained(this.#output.serveHls(request, clientId))
  }

  hasHlsClient(clientId: string): boolean {
    return this.#output.hasHlsClient(clientId)
  }

  update(request: StreamRequest): void {
    this.#request = request
    this.#transcode = request.transcode ?? this.#transcode
    this.#input.update(inputRequest(request))
    this.#output.update(outputRequest(request))
  }

  async failover(target: number | string | undefined, by: string): Promise<FailoverResult> {
    const result = await this.#input.failover(target, by)
    return { ...result, activeClients: this.viewerCount, kind: 'transcoding' }
  }

  disconnect(clientId: string): boolean {
    return this.#output.disconnect(clientId)
  }

  close(reason: StopReason): void {
    this.#encoderInput.close()
    this.#output.close(reason)
    this.#input.close(reason)
  }

  clients(): readonly ClientSnapshot[] {
    return this.#output.clients()
  }

  snapshot(): StreamSnapshot {
    const [input, output] = [this.#input.snapshot(), this.#output.snapshot()]
    return {
      ...input,
      kind: 'transcoding',
      request: this.#request,
      phase: output.phase,
      isActive: output.isActive,
      clientCount: output.clientCount,
      totalBytesServed: output.totalBytesServed,
      totalSegmentsServed: output.totalSegmentsServed,
      lastAccessWallMs: output.lastAccessWallMs,
      errorCount: input.errorCount + this.#restarts,
      isSlateOn: input.isSlateOn || output.isSlateOn,
      transcoder: this.#transcoderSnapshot(),
    }
  }

  #transcoderSnapshot(): TranscoderSnapshot {
    const run = this.#run?.end === undefined ? this.#run : undefined
    const { clock } = this.#options
    const { profile, rungs } = this.#plan
    return {
      profile: profile.name,
      hardware: profile.hardware,
      pid: run?.pid,
      startedWallMs: run === undefined ? undefined : Math.round(clock.wallMs() - (clock.nowMs() - run.startedAtMs)),
      restarts: this.#restarts,
      lastFailure: this.#lastFailure,
      speed: run?.progress?.speed,
      fps: run?.progress?.fps,
      frames: run?.progress?.frames,
      droppedFrames: run?.progress?.droppedFrames,
      duplicatedFrames: run?.progress?.duplicatedFrames,
      bitsPerSecond: run?.progress?.bitsPerSecond,
      inputSkips: run?.skips ?? 0,
      ...(rungs === undefined ? {} : { renditions: this.#renditions(rungs) }),
    }
  }

  #renditions(rungs: readonly RenditionRequest[]): NonNullable<TranscoderSnapshot['renditions']> {
    const output = this.#output
    return rungs.map((rung, index) => ({
      ...rung,
      viewers: output instanceof LadderOutput ? output.viewersOf(index) : 0,
    }))
  }

  /** Refuses a viewer for whom an encoder would have to be started and cannot be. */
  #admit(): void {
    const { processes, program } = this.#context
    if (!processes.isInstalled(program)) throw new HoldfastError('transcode_unavailable', `${program} is not installed`)
    const isEncoding = this.#run !== undefined && this.#run.end === undefined
    if (!isEncoding && !processes.hasRoom('transcoder')) throw limitReached()
  }

  /** What a viewer is told who waited for an encoder that there was no room for after all. */
  async #explained(served: Promise<void>): Promise<void> {
    try {
      await served
    } catch (error) {
      throw this.#run?.end?.unavailable === 'limit_reached' ? limitReached() : error
    }
  }

  /** An encoder failed. True: another is to be started at once. */
  #encoderFailed(run: EncoderRun, message: string): boolean {
    const { clock, log, streamId } = this.#options
    const deliveredMs = run.firstOutputAtMs === undefined ? 0 : clock.nowMs() - run.firstOutputAtMs
    this.#restarts += 1
    this.#lastFailure = message
    if (deliveredMs < ENCODER_PROVEN_MS) this.#plan.hardwareFailed()
    const verdict = this.#health.failed(deliveredMs, this.#request.sources.length)
    const words = verdict === 'next_source' ? 'attempting failover' : 'starting it again'
    log.warn('transcoder_failed', `Transcoding process exited, ${words}`, {
      stream_id: streamId,
      detail: message,
      pid: run.pid,
      delivered_ms: Math.round(deliveredMs),
      next: verdict,
    })
    this.#options.metrics.sourceFailed('process_failed')
    if (verdict === 'next_source') this.#nextSource(run, message)
    return verdict !== 'give_up'
  }

  /** The source on air is one that no encoder gets along with. */
  #nextSource(run: EncoderRun, message: string): void {
    const detectionMs = this.#options.clock.nowMs() - run.startedAtMs
    const evidence = { bytes_in: run.bytesIn, bytes_out: run.bytesOut, restarts: this.#restarts }
    this.#encoderInput.reject({ reason: REJECTED, message, status: undefined, detectionMs, evidence })
  }

  /** The output has given up its encoder, after its first media, or because there was none. */
  #outputFailed(reason: string): void {
    const run = this.#run
    if (run === undefined || run.end?.kind === 'input_failed' || run.end?.kind === 'process_unavailable') return
    // Silence that is the encoder's own doing is told by its transport; otherwise the input brought nothing.
    const isStarved = reason === 'stalled' || reason === 'no_media' || reason === 'answer_timeout'
    const isCounted = run.firstOutputAtMs === undefined && run.end?.kind === 'process_failed'
    // What the output found wanting it has closed itself.
    const message = run.end?.kind === 'process_failed' ? run.end.message : reason
    if (!isStarved && !isCounted) this.#encoderFailed(run, message)
  }

  /** Whoever waits for the first picture is told when every source was tried in vain. */
  #inputFailed(reason: string): void {
    // What encoders make of the sources is counted for itself.
    if (reason === REJECTED) return
    const { sources } = this.#input.snapshot()
    if (sources.some(({ lastFailureReason }) => lastFailureReason === undefined)) return
    const status = /^http_(\d{3})$/.exec(reason)?.[1]
    const failure: SourceFailure =
      status === undefined
        ? { kind: 'process_failed', message: `no source delivers (${reason})` }
        : { kind: 'http_status', message: `no source delivers (${reason})`, status: Number(status) }
    this.#transport.inputFailed(failure)
  }
}

function limitReached(): HoldfastError {
  return new HoldfastError('transcode_limit', 'as many transcodings run as TRANSCODES_MAX allows')
}

/** Its methods may rely on `this`. */
function boundMetrics(metrics: StreamOptions['metrics']): StreamOptions['metrics'] {
  return {
    switched: (measures) => metrics.switched(measures),
    sourceFailed: (reason) => metrics.sourceFailed(reason),
    sourceCondition: (condition, action) => metrics.sourceCondition(condition, action),
  }
}
