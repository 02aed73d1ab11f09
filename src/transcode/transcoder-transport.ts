import type { Timer } from '../lib/clock.ts'
import { describeExit, ProcessUnavailable } from '../process/process-spec.ts'
import type { ProcessExit } from '../process/process-spec.ts'
import type { Processes } from '../process/processes.ts'
import type { SupervisedProcess } from '../process/supervised-process.ts'
import type { Container } from '../streams/framing/framing.ts'
import { sniff, SNIFF_BYTES_MAX } from '../streams/framing/sniff.ts'
import type {
  SourceFailure,
  SourceNetwork,
  SourceReader,
  SourceRequest,
  SourceResponseHandler,
  SourceTransport,
} from '../streams/sources/http-client.ts'
import type { EncoderArguments } from './encoder-arguments.ts'
import type { EncoderEnd, EncoderRun } from './encoder-run.ts'
import { ffmpegArguments, isReadable } from './ffmpeg-args.ts'
import { OutputWatch } from './output-watch.ts'
import { ProgressReader } from './progress.ts'
import type { EncoderProgress } from './progress.ts'

/** Takes whole units; the memory is shared and stays as it is. False: nothing more until `resume`. */
export interface TranscoderSink {
  write(media: Buffer): boolean
  end(): void
}

/** Somebody who reads the stream that is to be encoded. */
export interface TranscoderTap extends Disposable {
  /** The sink has room again. */
  resume(): void
  /** Times it was too slow and went on at a later keyframe. */
  readonly skips: number
}

/**
 * What is encoded: whole units of one stream that begin where a decoder can. It outlives every encoder, and its sources
 * may change without one noticing. `attach` may write before it returns.
 */
export interface TranscoderInput {
  attach(sink: TranscoderSink): TranscoderTap
}

export interface TranscoderTransportOptions {
  readonly processes: Processes
  /** ffmpeg, as it is found on the PATH. */
  readonly program: string
  readonly input: TranscoderInput
  /** Whether more of the input has to be seen before it is known what to make of it; `head` is how it begins. */
  readonly needsMore: (head: Buffer) => boolean
  /** What to make of the input; asked anew for each run. */
  readonly encoder: (head: Buffer) => Promise<EncoderArguments>
  /** Whether pictures are wanted of it. */
  readonly hasVideo: boolean
  /** From the first media that an encoder is given to the first that it puts out. */
  readonly startLimitMs: number
  /** For so long it may be given media and put out none. */
  readonly silenceLimitMs: number
  /** A run has begun. */
  readonly onRun: (run: EncoderRun) => void
  /** Whether a run that failed before it put out anything is to be followed by another at once. */
  readonly tryAgain: (run: EncoderRun) => boolean
}

/** A transport that the stream it belongs to can be told through that its input will not come. */
export interface TranscoderTransport {
  readonly open: SourceTransport
  /** No source of the input delivers: whoever waits for the first media is told why. Nothing happens otherwise. */
  inputFailed(failure: SourceFailure): void
}

const CHECK_EVERY_MS = 500
const EVIDENCE_LINES = 6
const TS_SYNC = 0x47
const PID_MASK = 0x1fff
const NULL_PID = 0x1fff

/**
 * A source that is an encoder of ours: each opening runs one ffmpeg, which is given the input from its latest keyframe on
 * and whose output is read as if it came over the network.
 */
export function createTranscoderTransport(options: TranscoderTransportOptions): TranscoderTransport {
  let latest: PatientReader | undefined
  return {
    open: (request, handler, network) => {
      latest = new PatientReader(options, { request, handler, network, previous: latest?.process })
      return latest
    },
    inputFailed: (failure) => latest?.inputFailed(failure),
  }
}

/** Goes on with another encoder as long as the first media is awaited: nobody has seen anything of the one that failed. */
class PatientReader implements SourceReader {
  readonly #options: TranscoderTransportOptions
  readonly #opening: Opening
  #reader: TranscoderReader
  #isClosed = false

  constructor(options: TranscoderTransportOptions, opening: Opening) {
    this.#options = options
    this.#opening = opening
    this.#reader = this.#open(opening.previous)
  }

  get process(): SupervisedProcess | undefined {
    return this.#reader.process
  }

  close(): void {
    this.#isClosed = true
    this.#reader.close()
  }

  pause(): void {
    this.#reader.pause()
  }

  resume(): void {
    this.#reader.resume()
  }

  inputFailed(failure: SourceFailure): void {
    this.#reader.inputFailed(failure)
  }

  #open(previous: SupervisedProcess | undefined): TranscoderReader {
    const { handler } = this.#opening
    const reader: TranscoderReader = new TranscoderReader(this.#options, {
      ...this.#opening,
      previous,
      handler: {
        onHead: (head) => handler.onHead(head),
        onData: (chunk) => handler.onData(chunk),
        onEnd: () => handler.onEnd(),
        onFailure: (failure) => {
          const mayRepeat = reader.firstOutputAtMs === undefined && failure.kind === 'process_failed' && !this.#isClosed
          if (mayRepeat && this.#options.tryAgain(reader)) this.#reader = this.#open(reader.process)
          else handler.onFailure(failure)
        },
      },
    })
    return reader
  }
}

interface Opening {
  readonly request: SourceRequest
  readonly handler: SourceResponseHandler
  readonly network: SourceNetwork
  /** Of the run before, which may not be gone yet. */
  readonly previous: SupervisedProcess | undefined
}

class TranscoderReader implements SourceReader, EncoderRun {
  readonly #options: TranscoderTransportOptions
  readonly #opening: Opening
  readonly #onAbort = () => this.#fail({ kind: 'aborted', message: 'the request was aborted' }, 'closed')
  readonly #watch: OutputWatch
  readonly startedAtMs: number
  process: SupervisedProcess | undefined
  #isStarting = false
  #tap: TranscoderTap | undefined
  /** What came before the process was there. */
  #held: Buffer[] = []
  #checkTimer: Timer | undefined
  #isDone = false
  #isPaused = false
  #hasWaitingTap = false
  firstOutputAtMs: number | undefined
  bytesIn = 0
  bytesOut = 0
  progress: EncoderProgress | undefined
  end: EncoderEnd | undefined

  constructor(options: TranscoderTransportOptions, opening: Opening) {
    const { startLimitMs, silenceLimitMs, hasVideo } = options
    this.#options = options
    this.#opening = opening
    this.startedAtMs = opening.network.clock.nowMs()
    this.#watch = new OutputWatch({ startLimitMs, silenceLimitMs, hasVideo })
    queueMicrotask(() => this.#begin())
  }

  get pid(): number | undefined {
    return this.process?.pid
  }

  get skips(): number {
    return this.#tap?.skips ?? 0
  }

  close(): void {
    this.#finish({ kind: 'closed', message: 'it was closed' })
  }

  pause(): void {
    this.#isPaused = true
    this.process?.stdout?.pause()
  }

  resume(): void {
    this.#isPaused = false
    this.#watch.resumed(this.#nowMs())
    this.process?.stdout?.resume()
  }

  inputFailed(failure: SourceFailure): void {
    if (this.bytesIn === 0) this.#fail(failure, 'input_failed')
  }

  #nowMs(): number {
    return this.#opening.network.clock.nowMs()
  }

  #begin(): void {
    if (this.#isDone) return
    const { signal } = this.#opening.request
    if (signal.aborted) {
      this.#onAbort()
      return
    }
    signal.addEventListener('abort', this.#onAbort, { once: true })
    this.#options.onRun(this)
    const tap = this.#options.input.attach({ write: (media) => this.#take(media), end: () => this.#inputEnded() })
    if (this.#isDone) {
      tap[Symbol.dispose]()
      return
    }
    this.#tap = tap
    if (this.#hasWaitingTap) this.#resumeInput()
    this.#armCheck()
  }

  /** Media of the input. The first of it says what it is, and with what ffmpeg has to be started. */
  #take(media: Buffer): boolean {
    if (this.#isDone) return false
    this.bytesIn += media.length
    const stdin = this.process?.stdin
    if (stdin !== undefined) {
      const hasRoom = stdin.write(media)
      if (isNullPacket(media)) return hasRoom
      this.#watch.fed(this.#nowMs(), !hasRoom)
      return hasRoom
    }
    this.#held.push(media)
    const head = Buffer.concat(this.#held)
    const { verdict, container } = sniff(head, '')
    if (verdict === 'more' && head.length < SNIFF_BYTES_MAX) return true
    if (container === undefined || !isReadable(container)) {
      this.#fail(
        { kind: 'process_failed', message: `an encoder cannot read ${container ?? 'this input'}` },
        'input_failed',
      )
      return false
    }
    if (this.#isStarting) return false
    if (container === 'mpegts' && this.#options.needsMore(head)) return true
    void this.#start(container, head)
    // The tap goes on when there is somebody to give it to; meanwhile the stream keeps what comes.
    return this.process !== undefined
  }

  async #start(container: Container, head: Buffer): Promise<void> {
    this.#isStarting = true
    const { previous } = this.#opening
    // It counts until it is gone, and there may be room for one only.
    if (previous?.isRunning === true) await previous.exited
    const args = ffmpegArguments(await this.#options.encoder(head), container)
    if (this.#isDone) return
    const { processes, program } = this.#options
    try {
      this.#started(
        processes.start({
          kind: 'transcoder',
          program,
          args,
          stdin: 'pipe',
          stdout: 'pipe',
          extraPipes: 1,
          priority: 'below_normal',
        }),
      )
    } catch (error) {
      if (!(error instanceof ProcessUnavailable)) throw error
      this.#fail({ kind: 'process_unavailable', message: error.message }, 'process_unavailable', error.reason)
    }
  }

  #started(process: SupervisedProcess): void {
    this.process = process
    const progress = new ProgressReader((report) => this.#progressed(report))
    process
      .extraPipe(0)
      ?.setEncoding('latin1')
      .on('data', (text: string) => progress.push(text))
    process.stdout?.on('data', (chunk: Buffer) => this.#putOut(chunk))
    process.stdin?.on('drain', () => this.#resumeInput())
    void process.exited.then((exit) => this.#exited(exit))
    const held = this.#held
    this.#held = []
    for (const media of held) process.stdin?.write(media)
    this.#watch.fed(this.#nowMs(), false)
    this.#resumeInput()
  }

  /** The tap is not there yet when the input writes while it is being attached. */
  #resumeInput(): void {
    this.#watch.taken()
    this.#hasWaitingTap = this.#tap === undefined
    this.#tap?.resume()
  }

  #putOut(chunk: Buffer): void {
    if (this.#isDone) return
    const { handler, request } = this.#opening
    const nowMs = this.#nowMs()
    this.#watch.putOut(nowMs)
    if (this.firstOutputAtMs === undefined) {
      this.firstOutputAtMs = nowMs
      const elapsedMs = nowMs - this.startedAtMs
      const headers = { 'content-type': 'video/mp2t' }
      if (handler.onHead({ status: 200, headers, finalUrl: request.url, elapsedMs }) === 'reject') return
    }
    this.bytesOut += chunk.length
    if (!handler.onData(chunk)) this.pause()
  }

  #progressed(report: EncoderProgress): void {
    this.progress = report
    this.#watch.progressed(this.#nowMs(), report.frames)
  }

  #armCheck(): void {
    this.#checkTimer = this.#opening.network.clock.schedule(CHECK_EVERY_MS, () => {
      const verdict = this.#isPaused ? undefined : this.#watch.verdict(this.#nowMs())
      if (verdict === undefined) this.#armCheck()
      else this.#fail({ kind: 'process_failed', message: verdict, evidence: this.#evidence() }, 'process_failed')
    })
  }

  #exited(exit: ProcessExit): void {
    const code = exit.code ?? exit.signal
    const evidence = { ...this.#evidence(), exit: code }
    const message = describeExit(exit, 'ffmpeg')
    this.#fail({ kind: 'process_failed', message, evidence }, 'process_failed')
  }

  #inputEnded(): void {
    if (this.#isDone) return
    this.#finish({ kind: 'input_ended', message: 'the stream that it encoded has ended' })
    this.#opening.handler.onEnd()
  }

  #evidence(): NonNullable<SourceFailure['evidence']> {
    return {
      bytes_in: this.bytesIn,
      bytes_out: this.bytesOut,
      ran_ms: Math.round(this.#nowMs() - this.startedAtMs),
      input_skips: this.skips,
      stderr: (this.process?.stderrTail ?? []).slice(-EVIDENCE_LINES).join('\n'),
    }
  }

  #fail(failure: SourceFailure, kind: EncoderEnd['kind'], unavailable?: EncoderEnd['unavailable']): void {
    if (this.#isDone) return
    this.#finish({ kind, message: failure.message, ...(unavailable === undefined ? {} : { unavailable }) })
    this.#opening.handler.onFailure(failure)
  }

  #finish(end: EncoderEnd): void {
    if (this.#isDone) return
    this.#isDone = true
    this.end = end
    this.#opening.request.signal.removeEventListener('abort', this.#onAbort)
    this.#checkTimer?.cancel()
    this.#tap?.[Symbol.dispose]()
    this.#held = []
    // It has nothing that anybody would miss.
    this.process?.kill()
    this.process?.stdin?.destroy()
  }
}

/** What a stream that waits for its source sends so that its viewers stay: nothing that an encoder could make anything of. */
function isNullPacket(media: Buffer): boolean {
  return media[0] === TS_SYNC && media.length > 2 && (media.readUInt16BE(1) & PID_MASK) === NULL_PID
}
