import type { Clock, Timer } from '../../lib/clock.ts'
import type { Json } from '../../store/store.ts'
import type { DetectionPolicy, Finding } from '../detect/conditions.ts'
import { ContentWatch } from '../detect/content-watch.ts'
import type { Unmonitored } from '../detect/content-watch.ts'
import { SourceMonitor } from '../detect/monitor.ts'
import { StallWatch } from '../detect/stall.ts'
import type { StallPolicy } from '../detect/stall.ts'
import { createFramer } from '../framing/framing.ts'
import type { Container, Framer } from '../framing/framing.ts'
import { sniff, SNIFF_BYTES_MAX } from '../framing/sniff.ts'
import { openHttpSource } from './http-client.ts'
import { failureReason } from './http-failure.ts'
import type { SourceFailure, SourceHead, SourceNetwork, SourceReader, SourceTransport } from './http-client.ts'
import type { StagedFault } from './staged-fault.ts'

/**
 * One attempt at one live source: connects, makes sure that what comes is media, cuts it into whole units, and notices
 * when it stops. Ends exactly once, with a failure (a live source that ends has failed) or because it was closed.
 */
export interface SessionOptions {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly userAgent: string
  /** Hosts that may be private or loopback addresses, because the operator named them. */
  readonly operatorHosts: ReadonlySet<string>
  readonly connectTimeoutMs: number
  /** Until the first media, connecting included. */
  readonly firstMediaTimeoutMs: number
  readonly stall: StallPolicy
  readonly detection: DetectionPolicy
  /** Something is wrong with the source that is no reason to leave it. */
  readonly onWarning: (finding: Finding) => void
  /** What viewers of this stream already read; anything else would be noise to them. */
  readonly expectedContainer: Container | undefined
  readonly mpegtsOnly: boolean
  readonly network: SourceNetwork
  /** HTTP where it is not given. */
  readonly transport?: SourceTransport
  readonly clock: Clock
  readonly listener: SessionListener
  /** It has ended, whichever way; called once. */
  readonly onClosed: () => void
}

export interface SessionListener {
  /** Whole units; `joinOffsets` are offsets in `data` at which a decoder can begin. Valid during the call only. */
  media(data: Buffer, joinOffsets: readonly number[]): void
  failed(failure: SessionFailure): void
}

/** Why a source counts as failed: a stable reason, words for people, and what was measured. */
export interface SessionFailure {
  readonly reason: string
  readonly message: string
  readonly status: number | undefined
  /** From the last sign of life to the decision, in milliseconds. */
  readonly detectionMs: number
  readonly evidence: { readonly [key: string]: Json }
  /** A staged fault looked like it; the source itself is not known to have failed. */
  readonly isRehearsal?: true
}

/** What a staged fault has done to what is known of a source may show for so long after it is gone. */
const STAGED_AFTERMATH_MS = 30_000

export class SourceSession {
  readonly #options: SessionOptions
  readonly #watch: StallWatch
  readonly #openedAtMs: number
  readonly #abort = new AbortController()
  #reader: SourceReader | undefined
  #framer: Framer | undefined
  /** Looks into what comes; only MPEG-TS can be looked into. */
  #monitor: SourceMonitor | undefined
  /** Decodes what of it is wanted, if anything is. */
  #content: ContentWatch | undefined
  #held: Buffer = Buffer.alloc(0)
  #contentType = ''
  #status: number | undefined
  #timer: Timer | undefined
  #lastSignMs: number
  #paused = false
  #ended = false
  #fault: StagedFault | undefined
  /** Until then a condition of the source may be the doing of a staged fault. */
  #stagedUntilMs = Number.NEGATIVE_INFINITY
  bytesReceived = 0
  /** Milliseconds from opening to the response's head and to the first media; undefined until then. */
  connectMs: number | undefined
  firstMediaMs: number | undefined

  constructor(options: SessionOptions) {
    this.#options = options
    this.#watch = new StallWatch(options.stall)
    this.#openedAtMs = options.clock.nowMs()
    this.#lastSignMs = this.#openedAtMs
  }

  get framer(): Framer | undefined {
    return this.#framer
  }

  get ended(): boolean {
    return this.#ended
  }

  get contentType(): string {
    return this.#contentType
  }

  /** What is wrong with what it sends now, in the order of the conditions; none without anything that can be looked into. */
  findings(): readonly Finding[] {
    return this.#monitor?.findings() ?? []
  }

  /** Conditions that are wanted and cannot be looked for now. */
  unmonitored(): readonly Unmonitored[] {
    return this.#content?.unmonitored ?? []
  }

  open(): void {
    const { clock, url, headers, userAgent, operatorHosts, connectTimeoutMs, firstMediaTimeoutMs, network } =
      this.#options
    const { transport = openHttpSource } = this.#options
    this.#timer = clock.schedule(firstMediaTimeoutMs, () => this.#firstMediaIsLate())
    this.#reader = transport(
      {
        url,
        method: 'GET',
        headers,
        userAgent,
        connectTimeoutMs: Math.min(connectTimeoutMs, firstMediaTimeoutMs),
        answerTimeoutMs: firstMediaTimeoutMs,
        operatorHosts,
        signal: this.#abort.signal,
      },
      {
        onHead: (head) => this.#judgeHead(head),
        onData: (chunk) => this.#take(chunk),
        onEnd: () => this.#bodyEnded(),
        onFailure: (failure) => this.#connectionFailed(failure),
      },
      network,
    )
  }

  close(): void {
    if (this.#ended) return
    this.#ended = true
    this.#timer?.cancel()
    this.#reader?.close()
    this.#content?.close()
    this.#abort.abort()
    this.#options.onClosed()
  }

  /** Stops reading from the source until `resume`; silence meanwhile is not counted. */
  pause(): void {
    if (this.#paused || this.#ended) return
    this.#paused = true
    this.#reader?.pause()
  }

  resume(): void {
    if (!this.#paused || this.#ended) return
    this.#paused = false
    const nowMs = this.#options.clock.nowMs()
    this.#watch.resumed(nowMs)
    this.#monitor?.resumed(nowMs)
    this.#reader?.resume()
  }

  /** Puts a fault between the source and whatever looks at it, or takes it away again. False when there is nothing to fail. */
  stage(fault: StagedFault | undefined): boolean {
    if (this.#ended || this.firstMediaMs === undefined) return false
    if (fault === this.#fault) return true
    this.#fault = fault
    if (fault === undefined) this.#stagedUntilMs = this.#options.clock.nowMs() + STAGED_AFTERMATH_MS
    if (fault?.kind === 'connection_reset') this.#fail('reset', 'reset the connection, as rehearsed', {})
    return true
  }

  #judgeHead(head: SourceHead): 'accept' | 'reject' {
    this.connectMs = this.#sign() - this.#openedAtMs
    this.#status = head.status
    this.#contentType = head.headers['content-type'] ?? ''
    if (head.status >= 200 && head.status < 300 && head.status !== 204) return 'accept'
    this.#fail(`http_${head.status}`, `answered ${head.status}`, {})
    return 'reject'
  }

  #take(chunk: Buffer): boolean {
    this.bytesReceived += chunk.length
    const bytes = this.#fault?.kind === 'altered' ? this.#fault.alter(chunk) : chunk
    if (this.#framer === undefined) this.#sniff(bytes, false)
    else if (bytes.length > 0) this.#frame(this.#framer, bytes)
    return !this.#paused
  }

  #sniff(chunk: Buffer, isAll: boolean): void {
    this.#held = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk])
    const { verdict, container, evidence } = sniff(this.#held, this.#contentType)
    if (verdict === 'more' && this.#held.length < SNIFF_BYTES_MAX && !isAll) return
    if (container === undefined) {
      this.#fail('not_media', `sent something that is not media (${evidence})`, { found: evidence })
      return
    }
    const { expectedContainer, mpegtsOnly } = this.#options
    const wanted = mpegtsOnly ? 'mpegts' : expectedContainer
    if (wanted !== undefined && container !== wanted) {
      this.#fail('container_mismatch', `sends ${container} where viewers read ${wanted}`, { found: container, wanted })
      return
    }
    const framer = createFramer(container)
    this.#framer = framer
    if (container === 'mpegts') this.#startMonitor()
    const all = this.#held
    this.#held = Buffer.alloc(0)
    this.#frame(framer, all)
  }

  #frame(framer: Framer, chunk: Buffer): void {
    const hadMedia = framer.mediaSeen
    framer.push(chunk, {
      packets: (data, joinOffsets) => {
        if (this.#ended) return
        const nowMs = this.#options.clock.nowMs()
        const isAlive = this.#monitor?.observe(data, nowMs, joinOffsets) ?? true
        this.#observeContent(data, joinOffsets, nowMs)
        if (isAlive) this.#watch.arrived(this.#sign(), framer.mediaMs)
        this.#options.listener.media(data, joinOffsets)
        if (this.#monitor !== undefined) this.#judge(this.#monitor)
      },
    })
    if (!hadMedia && framer.mediaSeen && !this.#ended) this.#firstMediaArrived()
  }

  #startMonitor(): void {
    const { detection, clock } = this.#options
    this.#content = new ContentWatch(detection, () => clock.nowMs())
    this.#monitor = new SourceMonitor(detection, this.#content)
  }

  #observeContent(packets: Buffer, joinOffsets: readonly number[], nowMs: number): void {
    if (this.#monitor === undefined) return
    const { contentPids: pids, mediaMs } = this.#monitor
    const tables = () => this.#framer?.preamble() ?? Buffer.alloc(0)
    this.#content?.observe({ packets, joinOffsets, pids, tables, mediaMs, nowMs })
  }

  /** Tells what is wrong with the media that came, or gives the source up because of it. */
  #judge(monitor: SourceMonitor): void {
    if (this.#ended) return
    const verdict = monitor.verdict()
    if (verdict !== undefined) {
      const { reason, message, evidence, sinceMs } = verdict
      this.#lastSignMs = sinceMs
      this.#fail(reason, message, evidence)
      return
    }
    for (const finding of monitor.takeWarnings(this.#options.clock.nowMs())) this.#options.onWarning(finding)
  }

  #firstMediaArrived(): void {
    this.firstMediaMs = this.#options.clock.nowMs() - this.#openedAtMs
    this.#timer?.cancel()
    this.#armStallTimer()
  }

  #armStallTimer(): void {
    const { clock } = this.#options
    const dueInMs = this.#watch.limitMs() - this.#watch.silenceMs(clock.nowMs())
    this.#timer = clock.schedule(Math.max(dueInMs, 10), () => this.#checkSilence())
  }

  #checkSilence(): void {
    const silenceMs = this.#watch.silenceMs(this.#options.clock.nowMs())
    const limitMs = this.#watch.limitMs()
    if (this.#paused || silenceMs < limitMs) {
      this.#armStallTimer()
      return
    }
    this.#fail('stalled', `sent no media for ${Math.round(silenceMs)} ms with the connection open`, {
      silence_ms: Math.round(silenceMs),
      limit_ms: Math.round(limitMs),
    })
  }

  #firstMediaIsLate(): void {
    const waitedMs = Math.round(this.#options.clock.nowMs() - this.#openedAtMs)
    const reason = this.#status === undefined ? 'answer_timeout' : 'no_media'
    const message = this.#status === undefined ? `no answer within ${waitedMs} ms` : `no media within ${waitedMs} ms`
    this.#fail(reason, message, { waited_ms: waitedMs, bytes_received: this.bytesReceived })
  }

  #bodyEnded(): void {
    if (this.#ended) return
    this.#endStaging()
    if (this.#framer === undefined && this.bytesReceived > 0) this.#sniff(Buffer.alloc(0), true)
    if (this.#ended) return
    if (this.bytesReceived === 0) this.#fail('empty_body', 'answered with an empty body', {})
    else this.#fail('ended', 'ended the stream', { bytes_received: this.bytesReceived })
  }

  #connectionFailed(failure: SourceFailure): void {
    this.#endStaging()
    this.#fail(failureReason(failure), failure.message, { bytes_received: this.bytesReceived, ...failure.evidence })
  }

  /** Something came: the moment from which detection is measured. */
  #sign(): number {
    this.#lastSignMs = this.#options.clock.nowMs()
    return this.#lastSignMs
  }

  /** What the connection itself says is true of the source, whatever was staged. */
  #endStaging(): void {
    this.#fault = undefined
    this.#stagedUntilMs = Number.NEGATIVE_INFINITY
  }

  #fail(reason: string, message: string, evidence: SessionFailure['evidence']): void {
    if (this.#ended) return
    const nowMs = this.#options.clock.nowMs()
    const detectionMs = nowMs - this.#lastSignMs
    const isStaged = this.#fault !== undefined || nowMs < this.#stagedUntilMs
    const rehearsal = isStaged ? ({ isRehearsal: true } as const) : {}
    this.close()
    this.#options.listener.failed({ reason, message, status: this.#status, detectionMs, evidence, ...rehearsal })
  }
}
