import { request } from 'node:http'
import type { ClientRequest, IncomingMessage } from 'node:http'
import { systemClock } from '../src/lib/clock.ts'
import { hasPcr, PACKET_BYTES, PCR_MODULUS, pcrOf, SYSTEM_CLOCK_HZ } from '../src/mpegts/packet.ts'
import { TsRecord } from '../test/lab/ts-record.ts'
import { Playhead } from './scored-player.ts'
import type { Arrival, ScoredPlayer } from './scored-player.ts'

/** What players keep in hand of a continuous stream: VLC's network caching by default. */
const CACHING_MS = 1_000
/** A longer step of the PCR is a break of the timeline, which is no media. */
const PCR_STEP_MS_MAX = 5_000

/** A player of a continuous transport stream on one connection, which it never opens again; it plays by the PCR. */
export class ContinuousPlayer implements ScoredPlayer {
  fatal: string | undefined
  readonly refusals: string[] = []
  readonly skipped = 0
  readonly #record = new TsRecord()
  readonly #playhead = new Playhead()
  readonly #request: ClientRequest
  #rest: Buffer = Buffer.alloc(0)
  #lastPcr: number | undefined
  #isClosed = false
  #jumps = 0

  constructor(url: string) {
    this.#request = request(url, { agent: false })
    this.#request.on('response', (response) => this.#answered(response))
    this.#request.on('error', (error) => this.#ended(error.message))
    this.#request.end()
  }

  get source(): string | undefined {
    return this.#record.sources.at(-1)
  }

  get changes(): readonly Arrival[] {
    return this.#record.stretches
  }

  get settledMs(): number {
    const last = this.#record.stretches.at(-1)
    return last === undefined ? 0 : last.lastAtMs - last.atMs
  }

  get violations(): readonly string[] {
    const { misalignedBytes } = this.#record
    const jumps = this.#jumps === 0 ? [] : [`the PCR jumped ${this.#jumps} times`]
    return misalignedBytes === 0 ? jumps : [...jumps, `${misalignedBytes} bytes out of step`]
  }

  get stalls(): number {
    return this.#playhead.stalls
  }

  get stalledMs(): number {
    return this.#playhead.stalledMs
  }

  get longestStallMs(): number {
    return this.#playhead.longestStallMs
  }

  [Symbol.asyncDispose](): Promise<void> {
    if (!this.#isClosed) this.#playhead.count(systemClock.nowMs())
    this.#isClosed = true
    this.#request.destroy()
    return Promise.resolve()
  }

  #answered(response: IncomingMessage): void {
    if (response.statusCode !== 200) this.refusals.push(`stream ${response.statusCode ?? 0}`)
    response.on('data', (bytes: Buffer) => this.#arrived(bytes))
    response.on('end', () => this.#ended('the stream ended'))
    response.on('error', (error) => this.#ended(error.message))
  }

  #ended(why: string): void {
    if (!this.#isClosed) this.fatal ??= why
  }

  #arrived(bytes: Buffer): void {
    const nowMs = systemClock.nowMs()
    this.#record.push(bytes, nowMs)
    const data = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes])
    let at = 0
    for (; at + PACKET_BYTES <= data.length; at += PACKET_BYTES) {
      if (!hasPcr(data, at)) continue
      this.#clock(pcrOf(data, at), nowMs)
    }
    this.#rest = data.subarray(at)
  }

  #clock(pcr: number, nowMs: number): void {
    const last = this.#lastPcr ?? pcr
    this.#lastPcr = pcr
    const stepMs = (((pcr - last + PCR_MODULUS) % PCR_MODULUS) / SYSTEM_CLOCK_HZ) * 1_000
    if (stepMs > PCR_STEP_MS_MAX) this.#jumps += 1
    else this.#playhead.came(stepMs, nowMs, CACHING_MS)
  }
}
