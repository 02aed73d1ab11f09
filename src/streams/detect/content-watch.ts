import { PACKET_BYTES } from '../../mpegts/packet.ts'
import type { DecodedCondition, DetectionPolicy } from './conditions.ts'
import { DECODED_CONDITIONS } from './conditions.ts'
import type { Decoder, DecoderSpec } from './decoder.ts'
import type { NoDecoder } from './decoders.ts'
import { PictureWatch } from './picture-watch.ts'
import { SoundWatch } from './sound-watch.ts'

/** The PIDs of what is decoded, and of the tables by which a decoder finds them. It needs no PCR. */
export interface ContentPids {
  readonly video: number | undefined
  readonly audio: number | undefined
  readonly tables: readonly number[]
}

/** A run of packets as it passes. */
export interface ContentRun {
  readonly packets: Buffer
  /** Where keyframes begin. */
  readonly joinOffsets: readonly number[]
  /** Undefined until the programme is known. */
  readonly pids: ContentPids | undefined
  /** The packets of the latest tables, for a decoder that begins now. */
  readonly tables: () => Buffer
  /** Media time in ms, which never goes back. */
  readonly mediaMs: number
  /** Monotonic. */
  readonly nowMs: number
}

export interface Unmonitored {
  readonly condition: DecodedCondition
  readonly reason: NoDecoder
}

const RESTART_MS_MIN = 1_000
const RESTART_MS_MAX = 60_000
/** A decoder that has said nothing for so long while it was given packets has hung. */
const ANSWER_MS_MAX = 60_000
/** Nobody has a decoder to give away now: asked again after this. */
const ASK_AGAIN_MS = 5_000
/** Keyframes closer than this are not all decoded; counted by the same measure. */
const KEYFRAME_MS_MIN = 500
/** More keyframes than this in front of the pictures that came out, and less than half of them came out: see DecoderSpec. */
const KEYFRAMES_BEHIND_MAX = 6

/**
 * What can be told of one session's picture and sound by decoding them: starts a decoder while one of the conditions
 * is wanted, feeds it, and keeps what it finds. Nothing waits for the decoder; what it cannot take is left out.
 */
export class ContentWatch {
  readonly #policy: DetectionPolicy
  readonly #now: () => number
  readonly pictures = new PictureWatch()
  readonly #sound: SoundWatch
  #decoder: Decoder | undefined
  /** What the decoder decodes, to notice when that is not what is wanted any more. */
  #decoding = ''
  #unmonitored: readonly Unmonitored[] = []
  #isFeeding = false
  #askAgainMs = Number.NEGATIVE_INFINITY
  #restartMs = RESTART_MS_MIN
  #pictureMode: DecoderSpec['pictures'] = 'keyframes'
  #answeredMs = 0
  #keyframesFed = 0
  #keyframeMediaMs = Number.NEGATIVE_INFINITY
  #picturesCame = 0

  constructor(policy: DetectionPolicy, now: () => number) {
    this.#policy = policy
    this.#now = now
    this.#sound = new SoundWatch(policy.silence)
  }

  get sound(): SoundWatch {
    return this.#sound
  }

  /** Conditions that are wanted and cannot be looked for now, with the reason. */
  get unmonitored(): readonly Unmonitored[] {
    return this.#unmonitored
  }

  get isDecoding(): boolean {
    return this.#decoder !== undefined
  }

  /** Takes note of a run; the packets are copied as far as they are needed. */
  observe(run: ContentRun): void {
    const { decoders, actionOf } = this.#policy
    if (decoders === undefined || run.pids === undefined) return
    const wanted = DECODED_CONDITIONS.filter((condition) => actionOf(condition) !== 'off')
    const { video, audio } = run.pids
    const videoPid = wanted.includes('black') || wanted.includes('frozen') ? video : undefined
    const audioPid = wanted.includes('silent') ? audio : undefined
    const decoding = `${videoPid} ${audioPid}`
    if (decoding !== this.#decoding) {
      this.#stop()
      this.#unmonitored = []
      this.#decoding = decoding
      this.#askAgainMs = Number.NEGATIVE_INFINITY
    }
    if (videoPid === undefined && audioPid === undefined) return
    if (this.#decoder === undefined) this.#start(run, videoPid, audioPid, wanted)
    if (this.#decoder !== undefined) this.#feed(this.#decoder, run, run.pids, videoPid, audioPid)
  }

  close(): void {
    this.#stop()
  }

  #start(
    run: ContentRun,
    videoPid: number | undefined,
    audioPid: number | undefined,
    wanted: readonly DecodedCondition[],
  ): void {
    const { nowMs, joinOffsets } = run
    if (nowMs < this.#askAgainMs || (videoPid !== undefined && joinOffsets.length === 0)) return
    this.#stop()
    const opened = this.#policy.decoders?.open(
      { videoPid, audioPid, pictures: this.#pictureMode },
      {
        picture: (luma, mediaMs) => {
          this.#answered()
          this.#picturesCame += 1
          this.pictures.observe(luma, mediaMs, this.#answeredMs)
        },
        sound: (samples) => {
          this.#answered()
          this.#sound.observe(samples, this.#answeredMs)
        },
        ended: () => this.#ended(),
      },
    )
    if (typeof opened === 'object') {
      this.#decoder = opened
      this.#unmonitored = []
      this.#answeredMs = nowMs
      return
    }
    this.#askAgainMs = nowMs + ASK_AGAIN_MS
    const reason = opened ?? 'no_decoder_free'
    this.#unmonitored = wanted.map((condition) => ({ condition, reason }))
  }

  #feed(
    decoder: Decoder,
    run: ContentRun,
    pids: ContentPids,
    videoPid: number | undefined,
    audioPid: number | undefined,
  ): void {
    const { packets, joinOffsets, tables, mediaMs, nowMs } = run
    const join = joinOffsets[0]
    if (join !== undefined && mediaMs - this.#keyframeMediaMs >= KEYFRAME_MS_MIN) {
      this.#keyframesFed += 1
      this.#keyframeMediaMs = mediaMs
    }
    if (this.#hasGoneWrong(nowMs, videoPid)) return
    const from = this.#isFeeding || videoPid === undefined ? 0 : join
    if (from === undefined) return
    const wanted = new Set([videoPid, audioPid, ...pids.tables])
    const media = packetsOf(packets.subarray(from), wanted)
    const isTaken = decoder.write(this.#isFeeding ? media : Buffer.concat([tables(), media]))
    // It goes on with the next keyframe, since nothing can be made of what lies between.
    if (!isTaken && this.#isFeeding) this.#leaveOut()
    this.#isFeeding = isTaken
  }

  /** Ends a decoder that hangs, or out of which too few pictures come. */
  #hasGoneWrong(nowMs: number, videoPid: number | undefined): boolean {
    if (nowMs - this.#answeredMs > ANSWER_MS_MAX) {
      this.#stop()
      this.#ended()
      return true
    }
    const behind = this.#keyframesFed - this.#picturesCame
    const isFew = videoPid !== undefined && behind > KEYFRAMES_BEHIND_MAX && this.#picturesCame * 2 < this.#keyframesFed
    if (!isFew || this.#pictureMode === 'references') return false
    this.#pictureMode = 'references'
    this.#stop()
    return true
  }

  #answered(): void {
    this.#answeredMs = this.#now()
    this.#restartMs = RESTART_MS_MIN
  }

  #ended(): void {
    this.#decoder = undefined
    this.#stop()
    this.#askAgainMs = this.#now() + this.#restartMs
    this.#restartMs = Math.min(RESTART_MS_MAX, this.#restartMs * 2)
  }

  #leaveOut(): void {
    this.pictures.restart()
    this.#sound.restart()
  }

  #stop(): void {
    this.#decoder?.close()
    this.#decoder = undefined
    this.#isFeeding = false
    this.#keyframesFed = 0
    this.#keyframeMediaMs = Number.NEGATIVE_INFINITY
    this.#picturesCame = 0
    this.#leaveOut()
  }
}

/** A copy of the whole packets of these PIDs. */
function packetsOf(run: Buffer, pids: ReadonlySet<number | undefined>): Buffer {
  const found = Buffer.allocUnsafe(run.length)
  let bytes = 0
  for (let at = 0; at + PACKET_BYTES <= run.length; at += PACKET_BYTES) {
    const pid = (((run[at + 1] ?? 0) & 0x1f) << 8) | (run[at + 2] ?? 0)
    if (pids.has(pid)) bytes += run.copy(found, bytes, at, at + PACKET_BYTES)
  }
  return found.subarray(0, bytes)
}
