import { request } from 'node:http'
import type { ClientRequest, IncomingMessage } from 'node:http'
import { systemClock } from '../src/lib/clock.ts'
import {
  hasPcr,
  PACKET_BYTES,
  PCR_MODULUS,
  pcrOf,
  PID_NULL,
  pidOf,
  SYNC_BYTE,
  SYSTEM_CLOCK_HZ,
} from '../src/mpegts/packet.ts'
import { Playhead } from './scored-player.ts'

/** What players keep in hand of a continuous stream: VLC's network caching by default. */
const CACHING_MS = 1_000
/** A longer step of the PCR, or one back, is a break of the timeline. */
const PCR_STEP_MS_MAX = 5_000

/**
 * A player of a stream that is encoded anew, on one connection, which it never opens again; it plays by the PCR. What
 * sources put into their media does not come through an encoder, so it knows pauses, not sources.
 */
export class EncodedPlayer implements Disposable {
  readonly #playhead = new Playhead()
  readonly #request: ClientRequest
  #rest: Buffer = Buffer.alloc(0)
  #lastPcr: number | undefined
  #lastMediaMs: number | undefined
  #longestPauseMs = 0
  #isClosed = false
  status: number | undefined
  fatal: string | undefined
  pcrJumps = 0
  misalignedBytes = 0

  constructor(url: string) {
    this.#request = request(url, { agent: false })
    this.#request.on('response', (response) => this.#answered(response))
    this.#request.on('error', (error) => this.#ended(error.message))
    this.#request.end()
  }

  get hasMedia(): boolean {
    return this.#lastMediaMs !== undefined
  }

  /** The longest time without media since `watchPauses`, one that goes on included. */
  get longestPauseMs(): number {
    const nowMs = systemClock.nowMs()
    return Math.max(this.#longestPauseMs, nowMs - (this.#lastMediaMs ?? nowMs))
  }

  hasMediaWithinMs(ms: number): boolean {
    return systemClock.nowMs() - (this.#lastMediaMs ?? Number.NEGATIVE_INFINITY) < ms
  }

  get stalls(): number {
    return this.#playhead.stalls
  }

  get longestStallMs(): number {
    return this.#playhead.longestStallMs
  }

  /** Pauses count from now on. */
  watchPauses(): void {
    this.#longestPauseMs = 0
  }

  [Symbol.dispose](): void {
    if (!this.#isClosed) this.#playhead.count(systemClock.nowMs())
    this.#isClosed = true
    this.#request.destroy()
  }

  #answered(response: IncomingMessage): void {
    this.status = response.statusCode
    if (response.statusCode !== 200) this.#ended(`answered ${response.statusCode ?? 0}`)
    else response.on('data', (bytes: Buffer) => this.#arrived(bytes))
    response.on('end', () => this.#ended('the stream ended'))
    response.on('error', (error) => this.#ended(error.message))
    if (response.statusCode !== 200) response.resume()
  }

  #ended(why: string): void {
    if (!this.#isClosed) this.fatal ??= why
  }

  #arrived(bytes: Buffer): void {
    const nowMs = systemClock.nowMs()
    const data = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes])
    let at = 0
    let isMedia = false
    while (at + PACKET_BYTES <= data.length) {
      if (data[at] !== SYNC_BYTE) {
        this.misalignedBytes += 1
        at += 1
        continue
      }
      if (pidOf(data, at) !== PID_NULL) isMedia = true
      if (hasPcr(data, at)) this.#clock(pcrOf(data, at), nowMs)
      at += PACKET_BYTES
    }
    this.#rest = data.subarray(at)
    if (!isMedia) return
    this.#longestPauseMs = Math.max(this.#longestPauseMs, nowMs - (this.#lastMediaMs ?? nowMs))
    this.#lastMediaMs = nowMs
  }

  #clock(pcr: number, nowMs: number): void {
    const last = this.#lastPcr ?? pcr
    this.#lastPcr = pcr
    const stepMs = (((pcr - last + PCR_MODULUS) % PCR_MODULUS) / SYSTEM_CLOCK_HZ) * 1_000
    if (stepMs > PCR_STEP_MS_MAX) this.pcrJumps += 1
    else this.#playhead.came(stepMs, nowMs, CACHING_MS)
  }
}
