import { codecString } from '../../isobmff/codec-string.ts'
import { ID3_SCHEME } from '../../isobmff/event-message.ts'
import type { EventMessage } from '../../isobmff/event-message.ts'
import { SegmentReader } from '../../isobmff/segment-reader.ts'
import type { ReadSample } from '../../isobmff/segment-reader.ts'
import type { ReadTrack } from '../../isobmff/track.ts'
import { TsWriter } from '../../mpegts/units/ts-writer.ts'
import { elementaryFormatOf } from './elementary-format.ts'
import type { ElementaryFormat } from './elementary-format.ts'
import { UnitMerger } from './unit-merger.ts'

const TICKS_PER_SECOND = 90_000n
/** Added to all times, so that pictures that are decoded before time 0 have a timestamp. */
const BASE_TICKS = 10 * 90_000
/** Samples that came before all groups had told their tracks. */
const EARLY_SAMPLES_MAX = 20_000
const ID3_CODEC = 'id3'

export interface CmafDemuxerOptions {
  /** How many inputs there are: 1, or 2 where sound has a playlist of its own; more for several. */
  readonly groups?: number
  /** Whole packets of one programme. */
  readonly onPackets: (packets: Buffer) => void
}

/** What of an input does not go into the transport stream, and why. */
export interface LeftOutTrack {
  readonly group: number
  readonly trackId: number
  /** RFC 6381 where it has a name. */
  readonly codec: string
  readonly reason: 'encrypted' | 'codec'
}

interface CarriedTrack {
  readonly group: number
  readonly track: ReadTrack
  readonly format: ElementaryFormat
  /** How much earlier than told pictures are decoded, so that none is shown before: 90 kHz. */
  dtsShift: number
}

/**
 * Makes a transport stream out of fragmented MP4 from one or several inputs on one timeline (an HLS source with EXT-X-MAP, its sound perhaps in
 * another playlist). All tracks are carried that MPEG-TS has a place for; protected ones are told and left out. Memory is bounded.
 */
export class CmafDemuxer {
  readonly #options: CmafDemuxerOptions
  readonly #groups: { readonly reader: SegmentReader; batch: ReadSample[]; hasTracks: boolean }[]
  readonly #writer = new TsWriter()
  readonly #merger: UnitMerger
  #carried: CarriedTrack[] = []
  #leftOut: LeftOutTrack[] = []
  #early: { readonly group: number; readonly samples: readonly ReadSample[] }[] = []
  #earlySamples = 0
  #hasId3 = false

  constructor(options: CmafDemuxerOptions) {
    this.#options = options
    this.#merger = new UnitMerger((stream, unit) => {
      const packets = this.#writer.write(stream, unit)
      if (packets.length > 0) this.#options.onPackets(packets)
    })
    this.#groups = Array.from({ length: options.groups ?? 1 }, (_, group) => ({
      reader: new SegmentReader({
        onTracks: () => this.#tracksCame(group),
        onSample: (sample) => void this.#groups[group]?.batch.push(sample),
        onEvent: (message) => this.#takeEvent(group, message),
      }),
      batch: [],
      hasTracks: false,
    }))
  }

  /** Tracks of the latest initialisation segments that are not carried. */
  get leftOut(): readonly LeftOutTrack[] {
    return this.#leftOut
  }

  /** Takes bytes of an initialisation or media segment of a group, in any pieces. Throws an IsobmffError; go on with `beginSegment`. */
  push(group: number, bytes: Buffer): void {
    const input = this.#groups[group]
    if (input === undefined) return
    try {
      input.reader.push(bytes)
    } finally {
      this.#takeBatch(group)
    }
  }

  /** The next bytes of the group begin another file. */
  beginSegment(group: number): void {
    this.#groups[group]?.reader.beginSegment()
  }

  /** What follows in all groups is on another timeline (EXT-X-DISCONTINUITY): what waits goes out first. */
  startTimeline(): void {
    this.#merger.flush()
    this.#writer.startTimeline()
  }

  /** Nothing more comes, or not before what came is needed: what waits goes out. What may come after it begins with tables. */
  end(): void {
    this.#merger.flush()
    this.#writer.repeatTables()
  }

  #tracksCame(group: number): void {
    const input = this.#groups[group]
    if (input === undefined) return
    // What came of the tracks before belongs to them.
    this.#takeBatch(group)
    input.hasTracks = true
    if (this.#groups.some(({ hasTracks }) => !hasTracks)) return
    this.#chooseTracks()
    const early = this.#early
    this.#early = []
    this.#earlySamples = 0
    for (const { group: earlyGroup, samples } of early) this.#takeSamples(earlyGroup, samples)
  }

  #chooseTracks(): void {
    const before = this.#carried
    const carried: CarriedTrack[] = []
    this.#leftOut = []
    this.#groups.forEach(({ reader }, group) => {
      for (const track of reader.tracks) {
        if (track.kind === 'other') continue
        const format = track.protection === undefined ? elementaryFormatOf(track) : undefined
        if (format === undefined) this.#leaveOut(group, track)
        else carried.push({ group, track, format, dtsShift: 0 })
      }
    })
    // Pictures lead: players and the splice take the first stream for the picture.
    carried.sort((left, right) => Number(right.track.kind === 'video') - Number(left.track.kind === 'video'))
    const isSame = carried.length === before.length && carried.every((each, index) => isSameStream(each, before[index]))
    carried.forEach((each, index) => {
      each.dtsShift = isSame ? (before[index]?.dtsShift ?? 0) : 0
    })
    if (!isSame) this.#merger.flush()
    this.#carried = carried
    if (!isSame) this.#announce()
  }

  #announce(): void {
    const streams = this.#carried.map(({ track, format: { codec } }) => ({
      codec,
      language: track.language,
      channels: track.channels,
    }))
    this.#writer.setStreams(this.#hasId3 ? [...streams, { codec: ID3_CODEC }] : streams)
    // Events are rare: they are never waited for, and go out when they come.
    this.#merger.setStreams(streams.length)
  }

  #leaveOut(group: number, track: ReadTrack): void {
    const { codec, id, protection } = track
    const name = codecString(codec) ?? (codec.kind === 'other' ? codec.entryType : codec.kind)
    this.#leftOut.push({ group, trackId: id, codec: name, reason: protection === undefined ? 'codec' : 'encrypted' })
  }

  #takeBatch(group: number): void {
    const input = this.#groups[group]
    if (input === undefined || input.batch.length === 0) return
    const { batch } = input
    input.batch = []
    if (this.#groups.every(({ hasTracks }) => hasTracks)) this.#takeSamples(group, batch)
    else if (this.#earlySamples + batch.length <= EARLY_SAMPLES_MAX) {
      this.#early.push({ group, samples: batch })
      this.#earlySamples += batch.length
    }
  }

  #takeSamples(group: number, samples: readonly ReadSample[]): void {
    for (const [stream, carried] of this.#carried.entries()) {
      if (carried.group !== group) continue
      const own = samples.filter(({ track }) => track.id === carried.track.id)
      this.#learnShift(carried, own)
      for (const sample of own) this.#takeSample(stream, carried, sample)
    }
  }

  /** Negative composition offsets show a picture before it is decoded: MPEG-TS has none of those (ISO/IEC 13818-1 §2.4.3.7). */
  #learnShift(carried: CarriedTrack, samples: readonly ReadSample[]): void {
    for (const { compositionOffset, track } of samples) {
      if (compositionOffset < 0) carried.dtsShift = Math.max(carried.dtsShift, ticksOf(-compositionOffset, track))
    }
  }

  #takeSample(stream: number, carried: CarriedTrack, sample: ReadSample): void {
    const { track, decodeTime, compositionOffset, isSync } = sample
    const data = carried.format.toUnit(sample.data, isSync)
    if (data === undefined) return
    const decoding = Number((decodeTime * TICKS_PER_SECOND) / BigInt(track.timescale)) + BASE_TICKS
    const pts = decoding + ticksOf(compositionOffset + track.editOffset, track)
    const isVideo = track.kind === 'video'
    const shown = isVideo ? decoding + ticksOf(track.editOffset, track) - carried.dtsShift : pts
    const dts = Math.min(shown, pts)
    this.#merger.push(stream, { pts, dts, isRandomAccess: isVideo ? isSync : true, data })
  }

  #takeEvent(group: number, message: EventMessage): void {
    const { schemeIdUri, isRelative, time, timescale, data } = message
    if (schemeIdUri !== ID3_SCHEME || group !== 0 || isRelative || timescale === 0 || this.#carried.length === 0) return
    if (!this.#hasId3) {
      this.#hasId3 = true
      this.#announce()
    }
    const pts = Number((time * TICKS_PER_SECOND) / BigInt(timescale)) + BASE_TICKS
    const packets = this.#writer.write(this.#carried.length, { pts, dts: pts, isRandomAccess: true, data })
    this.#options.onPackets(packets)
  }
}

function ticksOf(ticks: number, { timescale }: ReadTrack): number {
  return Math.round((ticks * Number(TICKS_PER_SECOND)) / timescale)
}

function isSameStream(left: CarriedTrack, right: CarriedTrack | undefined): boolean {
  return (
    right !== undefined &&
    left.group === right.group &&
    left.format.codec === right.format.codec &&
    left.track.language === right.track.language
  )
}
