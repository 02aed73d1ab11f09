import { describeStream } from '../../mpegts/elementary-stream.ts'
import { PACKET_BYTES } from '../../mpegts/packet.ts'
import { packetiseSection, writePat, writePmt } from '../../mpegts/psi.ts'
import { makePacket, makePes } from '../../mpegts/splice/source.fixture.ts'
import { wrapTimestamp } from '../../mpegts/splice/timestamp.ts'
import { h264 } from '../../mpegts/testing.ts'
import type { CmafFragment, CmafInit, FragmentSource } from '../cmaf/fragment.ts'
import { SLICE_BYTES_MAX } from '../ring.ts'
import type { Slice } from '../ring.ts'
import { Timeline } from './timeline.ts'
import type { TimelineLimits, TimelineOptions, TimelineStart } from './timeline.ts'

/** A small programme for tests of the packager: 25 pictures a second, keyframes where the test wants them. */
export interface ProgrammeRun {
  readonly pictures: number
  /** Pictures between keyframes; 0: only the first is one. */
  readonly groupPictures: number
  /** DTS of the first picture; without it the run goes on where the one before ended. */
  readonly firstDts?: number
  readonly sps?: Buffer
  readonly videoPid?: number
  /** Bytes of a picture. */
  readonly pictureBytes?: number
  /** Whether the first picture is not told to be a random access point. */
  readonly isWithoutJoin?: boolean
}

export const PICTURE_TICKS = 3_600
const PMT_PID = 0x100

/** Makes slices as the ring publishes them: one a picture, tables in front of each keyframe. */
export class ProgrammeSlices {
  readonly #counters = new Map<number, number>()
  #sequence = 0
  #offset = 0
  nextDts = 900_000
  nowMs = 1_767_225_600_000

  make(run: ProgrammeRun): readonly Slice[] {
    const { firstDts = this.nextDts, groupPictures, sps = h264.sps, videoPid = 0x101, pictureBytes = 400 } = run
    const slices: Slice[] = []
    for (let index = 0; index < run.pictures; index += 1) {
      const isKey = groupPictures === 0 ? index === 0 : index % groupPictures === 0
      const dts = wrapTimestamp(firstDts + index * PICTURE_TICKS)
      const picture = Buffer.alloc(pictureBytes, index & 0xff || 1)
      const unit = isKey
        ? Buffer.concat([h264.aud, sps, h264.idr, picture])
        : Buffer.concat([h264.aud, h264.predicted, picture])
      const packets = this.#packets(videoPid, makePes(0xe0, dts, dts, unit, false))
      const data = isKey ? Buffer.concat([this.#tables(videoPid), packets]) : packets
      const isJoin = isKey && !(index === 0 && run.isWithoutJoin === true)
      slices.push(...this.#cut(data, isJoin))
      this.nowMs += 40
    }
    this.nextDts = firstDts + run.pictures * PICTURE_TICKS
    return slices
  }

  #cut(data: Buffer, isJoin: boolean): readonly Slice[] {
    const slices: Slice[] = []
    for (let at = 0; at < data.length; at += SLICE_BYTES_MAX) {
      const piece = Buffer.from(data.subarray(at, at + SLICE_BYTES_MAX))
      slices.push(this.slice(piece, isJoin && at === 0 ? Buffer.alloc(0) : undefined))
    }
    return slices
  }

  slice(data: Buffer, preamble: Buffer | undefined): Slice {
    const slice = { sequence: this.#sequence, offset: this.#offset, publishedAtMs: this.nowMs, data, preamble }
    this.#sequence += 1
    this.#offset += data.length
    return slice
  }

  #tables(videoPid: number): Buffer {
    const none = Buffer.alloc(0)
    const identity = { version: 0, isCurrent: true }
    const programmes = [{ programmeNumber: 1, pmtPid: PMT_PID }]
    const pat = writePat({ ...identity, transportStreamId: 1, sectionNumber: 0, lastSectionNumber: 0, programmes })
    const streams = [describeStream(videoPid, 0x1b, none)]
    const pmt = writePmt({ ...identity, programmeNumber: 1, pcrPid: videoPid, descriptors: none, streams })
    return Buffer.concat([packetiseSection(pat, 0, this.#next(0)), packetiseSection(pmt, PMT_PID, this.#next(PMT_PID))])
  }

  #packets(pid: number, pes: Buffer): Buffer {
    const packets: Buffer[] = []
    for (let at = 0; at < pes.length; at += PACKET_BYTES - 4) {
      packets.push(makePacket(pid, this.#next(pid), at === 0, pes.subarray(at, at + PACKET_BYTES - 4), undefined))
    }
    return Buffer.concat(packets)
  }

  #next(pid: number): number {
    const counter = this.#counters.get(pid) ?? 0
    this.#counters.set(pid, (counter + 1) & 0x0f)
    return counter
  }
}

const LIMITS: TimelineLimits = { segmentMs: 4_000, partMs: 500, windowMs: 30_000, bytesMax: 134_217_728 }
const START: TimelineStart = {
  ...{ sequence: 100, discontinuitySequence: 7, isContinued: false },
  ...{ targetDurationS: undefined, longestGroupMs: 0, lost: [] },
}

/** A timeline on the clock of `slices`. */
export function makeTimeline(
  slices: ProgrammeSlices,
  options: Partial<TimelineOptions> & { readonly limitsOf?: Partial<TimelineLimits> } = {},
): Timeline {
  return new Timeline({
    run: 'run',
    limits: { ...LIMITS, ...options.limitsOf },
    start: START,
    nowMs: () => slices.nowMs,
    wallMs: () => slices.nowMs,
    createMuxer: () => new FakeMuxer(),
    spill: undefined,
    onChanged: () => {},
    ...options,
  })
}

/** Fragments of pictures without looking into packets: a test says which pictures there are. */
export class FakeMuxer implements FragmentSource {
  readonly #pictures: { readonly dts: number; readonly isKey: boolean; readonly init: CmafInit }[] = []
  readonly pushed: Buffer[] = []

  picture(dts: number, isKey: boolean, initId = 1): void {
    this.#pictures.push({ dts, isKey, init: { ...INIT, id: initId } })
  }

  push(packets: Buffer): void {
    this.pushed.push(Buffer.from(packets))
  }

  get init(): CmafInit | undefined {
    return this.#pictures[0]?.init
  }

  get nextDts(): number | undefined {
    return this.#ofInit().length > 0 ? this.#pictures[0]?.dts : undefined
  }

  get bufferedS(): number {
    return (this.#ofInit().length * PICTURE_TICKS) / 90_000
  }

  get isLastOfInit(): boolean {
    return this.#pictures.some(({ init }) => init.id !== this.init?.id)
  }

  randomAccessDts(): number | undefined {
    return undefined
  }

  take({ untilDts = Infinity }: { readonly untilDts?: number } = {}): CmafFragment | undefined {
    const taken = this.#ofInit().filter(({ dts }) => dts < untilDts)
    const [first] = taken
    if (first === undefined) return undefined
    this.#pictures.splice(0, taken.length)
    const durationS = (taken.length * PICTURE_TICKS) / 90_000
    const bytes = Buffer.from(`${first.dts}+${taken.length} `)
    return {
      bytes,
      init: first.init,
      startPts90k: first.dts,
      startDts90k: first.dts,
      durationS,
      isIndependent: first.isKey,
    }
  }

  end(): void {}

  #ofInit() {
    const other = this.#pictures.findIndex(({ init }) => init.id !== this.init?.id)
    return other < 0 ? [...this.#pictures] : this.#pictures.slice(0, other)
  }
}

const INIT: CmafInit = {
  ...{ id: 1, bytes: Buffer.from('init'), codecs: 'avc1.42c01e' },
  ...{ width: 320, height: 180, frameRate: 25, tracks: [] },
}
