import { mkdirSync, readdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Clock } from '../lib/clock.ts'
import type { Log } from '../lib/log.ts'
import type { Processes } from '../process/processes.ts'
import type { BroadcastMemory, BroadcastStatus } from './broadcast-memory.ts'
import type { BroadcastRequest } from './broadcast-request.ts'
import { Callbacks } from './callbacks.ts'
import type { CallbackEvent } from './callbacks.ts'
import type { InputRelay } from './input-relay.ts'
import { Programme } from './programme.ts'
import type { ProgrammeEnd } from './programme.ts'
import { SegmentWindow } from './segment-window.ts'

export interface BroadcastContext {
  readonly processes: Processes
  readonly relay: InputRelay
  readonly clock: Clock
  readonly log: Log
  readonly userAgent: string
  readonly limits: BroadcastLimits
}

/** From the configuration. */
export interface BroadcastLimits {
  readonly broadcastStartRetries: number
  readonly broadcastRetryWindowMs: number
  readonly broadcastStartGraceMs: number
  readonly broadcastCallbackTimeoutMs: number
  readonly broadcastGcEnabled: boolean
  readonly broadcastDvrBytesMax: number
}

export interface BroadcastOptions extends BroadcastContext {
  readonly networkId: string
  /** Of its own; made here. */
  readonly directory: string
  readonly memory: BroadcastMemory | undefined
  readonly onChanged: () => void
}

const MS_PER_S = 1_000
/** A player that comes before the first segment waits so long for it. */
const FIRST_SEGMENT_WAIT_MS = 15_000

/** One network: programmes that are played one after another as one HLS channel. */
export class Broadcast implements AsyncDisposable {
  readonly #options: BroadcastOptions
  readonly #callbacks: Callbacks
  #window: SegmentWindow | undefined
  #programme: Programme | undefined
  #request: BroadcastRequest | undefined
  #status: BroadcastStatus
  #runs: number
  #startedWallMs: number
  #endedWallMs: number | undefined
  #errorMessage: string | undefined
  #bytesWritten: number
  /** Starts and stops of one network come one after another. */
  #turn: Promise<unknown> = Promise.resolve()
  #firstSegment = Promise.withResolvers<void>()
  #isClosed = false

  constructor(options: BroadcastOptions) {
    const { memory, clock, log, limits, onChanged, directory } = options
    this.#options = options
    this.#window = memory === undefined ? undefined : new SegmentWindow(memory.window, 0)
    this.#request = memory?.request
    this.#status = memory?.status ?? 'stopped'
    this.#runs = memory?.runs ?? 0
    this.#startedWallMs = memory?.startedWallMs ?? 0
    this.#endedWallMs = memory?.endedWallMs
    this.#errorMessage = memory?.errorMessage
    this.#bytesWritten = memory?.bytesWritten ?? 0
    mkdirSync(directory, { recursive: true, mode: 0o700 })
    this.#removeStrays()
    const timeoutMs = limits.broadcastCallbackTimeoutMs
    this.#callbacks = new Callbacks({ clock, log, timeoutMs, pending: memory?.callbacks ?? [], onChanged })
  }

  get networkId(): string {
    return this.#options.networkId
  }

  get directory(): string {
    return this.#options.directory
  }

  get status(): BroadcastStatus {
    return this.#status
  }

  get isOnAir(): boolean {
    return this.#status === 'starting' || this.#status === 'running'
  }

  get streamUrl(): string {
    return this.#request?.urls[0] ?? ''
  }

  get pid(): number | undefined {
    return this.#programme?.pid
  }

  get errorMessage(): string | undefined {
    return this.#errorMessage
  }

  get startedWallMs(): number {
    return this.#startedWallMs
  }

  get bytesWritten(): number {
    return this.#bytesWritten
  }

  /** Of the newest complete segment; before the first, one less than it will have. */
  get currentNumber(): number {
    return (this.#window?.nextNumber ?? this.#request?.startNumber ?? 0) - 1
  }

  get memory(): BroadcastMemory | undefined {
    const [request, window] = [this.#request, this.#window]
    if (request === undefined || window === undefined) return undefined
    return {
      ...{ networkId: this.networkId, status: this.#status, request, window: window.memory, runs: this.#runs },
      ...{ startedWallMs: this.#startedWallMs, endedWallMs: this.#endedWallMs, errorMessage: this.#errorMessage },
      ...{ bytesWritten: this.#bytesWritten, callbacks: this.#callbacks.pending },
    }
  }

  /**
   * Plays a programme, in place of the one that is on air. Resolves once media comes, it is given up, or the grace is over;
   * the status tells.
   */
  async start(request: BroadcastRequest): Promise<void> {
    const started = this.#turn.then(async () => {
      await this.#programme?.stop()
      if (this.#isClosed) return
      this.#startedWallMs = this.#options.clock.wallMs()
      await this.#play(request, 0)
    })
    this.#turn = started.catch(() => undefined)
    await started
  }

  /** Goes on after a restart of the gateway, at the place where the programme would be by now. */
  resume(): void {
    const request = this.#request
    if (request === undefined || !this.isOnAir) return
    const playedS = Math.max(0, (this.#options.clock.wallMs() - this.#startedWallMs) / MS_PER_S)
    this.#turn = this.#turn.then(async () => this.#play(request, playedS)).catch(() => undefined)
  }

  async stop(): Promise<void> {
    const stopped = this.#turn.then(async () => {
      await this.#programme?.stop()
      if (this.isOnAir) this.#settle('stopped', undefined)
    })
    this.#turn = stopped.catch(() => undefined)
    await stopped
  }

  /** The playlist; waits for the first segment while there is none yet. Undefined when there is nothing to show. */
  async playlist(signal: AbortSignal): Promise<string | undefined> {
    if (this.isOnAir && this.#window?.isEmpty !== false) {
      const late = new AbortController()
      const end = AbortSignal.any([signal, late.signal])
      const waited = this.#options.clock.sleep(FIRST_SEGMENT_WAIT_MS, end).catch(() => undefined)
      await Promise.race([this.#firstSegment.promise, waited])
      late.abort()
    }
    return this.#window?.playlist()
  }

  /** Where a segment is, if it is one that players may come for. */
  segmentPath(file: string): string | undefined {
    return this.#window?.has(file) === true ? join(this.directory, file) : undefined
  }

  /** Removes what nobody may come for any more, and everything of a channel that has ended `idleMs` ago. */
  collectGarbage(idleMs: number): void {
    const window = this.#window
    if (window === undefined) return
    const wallMs = this.#options.clock.wallMs()
    const isIdle = !this.isOnAir && wallMs - (this.#endedWallMs ?? wallMs) >= idleMs
    if (isIdle && !window.isRecording && !window.isEmpty && this.#options.limits.broadcastGcEnabled) {
      window.clear()
      this.#removeStrays()
      this.#options.onChanged()
    }
    this.#removeExpired(window)
  }

  /** Ends what runs; the files stay. What was on air goes on after the next start. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true
    this.#callbacks[Symbol.dispose]()
    await this.#programme?.stop()
    await this.#turn
  }

  /** Everything of it on disk. */
  removeFiles(): void {
    rmSync(this.directory, { recursive: true, force: true })
  }

  async #play(request: BroadcastRequest, playedS: number): Promise<void> {
    const { processes, relay, clock, userAgent, limits } = this.#options
    const window = this.#window ?? new SegmentWindow(undefined, request.startNumber)
    this.#window = window
    this.#request = request
    this.#status = 'starting'
    this.#errorMessage = undefined
    this.#endedWallMs = undefined
    const started = Promise.withResolvers<void>()
    const programme = new Programme({
      ...{ request, playedS, processes, relay, clock, userAgent, directory: this.directory },
      ...{ retriesMax: limits.broadcastStartRetries, retryWindowMs: limits.broadcastRetryWindowMs },
      nextRun: () => {
        this.#runs += 1
        this.#options.onChanged()
        return this.#runs
      },
      listener: {
        begins: () => window.begin(request),
        started: () => {
          this.#status = 'running'
          this.#errorMessage = undefined
          started.resolve()
        },
        segment: (file, durationS) => this.#take(window, file, durationS),
        retried: (problem, index) => this.#retried(problem, index),
      },
    })
    this.#programme = programme
    this.#options.onChanged()
    void programme.ended.then((end) => {
      if (this.#programme === programme) this.#ended(end)
      started.resolve()
    })
    const grace = new AbortController()
    await Promise.race([
      started.promise,
      clock.sleep(limits.broadcastStartGraceMs, grace.signal).catch(() => undefined),
    ])
    grace.abort()
  }

  #take(window: SegmentWindow, file: string, durationS: number): void {
    const { clock, log, limits, onChanged } = this.#options
    const bytes = sizeOf(join(this.directory, file))
    if (bytes === 0) return
    this.#bytesWritten += bytes
    if (window.add({ file, durationS, bytes }, clock.wallMs())) {
      log.warn(
        'broadcast_segment_long',
        'A source has its keyframes so far apart that the target duration had to grow',
        {
          network_id: this.networkId,
          segment_seconds: durationS,
          target_seconds: window.targetDurationS,
        },
      )
    }
    this.#firstSegment.resolve()
    this.#removeExpired(window)
    onChanged()
    if (window.isRecording && window.bytes > limits.broadcastDvrBytesMax) {
      const programme = this.#programme
      this.#programme = undefined
      this.#failed('the recording is larger than BROADCAST_DVR_BYTES', null)
      void programme?.stop()
    }
  }

  #retried(problem: string, index: number): void {
    this.#status = 'starting'
    this.#errorMessage = problem
    this.#options.log.warn('broadcast_retried', 'A broadcast failed and goes on, with the next of its sources', {
      network_id: this.networkId,
      error: problem,
      source_index: index,
    })
    this.#options.onChanged()
  }

  #ended({ kind, message, exitCode, playedS }: ProgrammeEnd): void {
    this.#programme = undefined
    // Whoever stopped it says what it is now; one that the gateway's own end stopped goes on after the next start.
    if (kind === 'stopped') return
    if (kind === 'failed') {
      this.#failed(message, exitCode)
      return
    }
    this.#settle('ended', undefined)
    this.#tell('programme_ended', { exit_code: exitCode, duration_streamed: Math.round(playedS * 10) / 10 })
  }

  #failed(message: string, exitCode: number | null): void {
    this.#settle('failed', message)
    this.#options.log.warn('broadcast_failed', 'A broadcast failed and is not tried again', {
      network_id: this.networkId,
      error: message,
    })
    this.#tell('broadcast_failed', { exit_code: exitCode, error: message })
  }

  #settle(status: BroadcastStatus, errorMessage: string | undefined): void {
    this.#status = status
    this.#errorMessage = errorMessage
    this.#endedWallMs = this.#options.clock.wallMs()
    this.#window?.end()
    this.#firstSegment = Promise.withResolvers<void>()
    this.#options.onChanged()
  }

  #tell(event: CallbackEvent, facts: Readonly<Record<string, string | number | null>>): void {
    const request = this.#request
    if (request?.callbackUrl === undefined) return
    const data = { final_segment_number: this.currentNumber, ...facts }
    const { metadata } = request
    this.#callbacks.send(request.callbackUrl, this.networkId, event, { hls_dir: this.directory, metadata, data })
  }

  #removeExpired(window: SegmentWindow): void {
    for (const file of window.takeExpired(this.#options.clock.wallMs()))
      rmSync(join(this.directory, file), { force: true })
  }

  /** Files that no playlist names: what an ffmpeg was writing when it was killed. Only while none runs. */
  #removeStrays(): void {
    const known = this.#window?.files() ?? new Set()
    for (const name of readdirSync(this.directory)) {
      if (!known.has(name)) rmSync(join(this.directory, name), { recursive: true, force: true })
    }
  }
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0
}
