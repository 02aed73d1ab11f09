import type { TrackRun } from '../../../isobmff/fragment-writer.ts'
import { writeFragment } from '../../../isobmff/fragment-writer.ts'
import { writeInit } from '../../../isobmff/init-writer.ts'
import type { ElementaryStream } from '../../../mpegts/elementary-stream.ts'
import { describeStream } from '../../../mpegts/elementary-stream.ts'
import type { AccessUnit } from '../../../mpegts/units/access-unit.ts'
import { UnitReader } from '../../../mpegts/units/unit-reader.ts'
import { readAudioFormat } from '../../cmaf/audio-format.ts'
import { LengthPrefixed } from '../../cmaf/length-prefixed.ts'
import type { SampleFormat } from '../../cmaf/sample-format.ts'
import { audioOnly, firstOfEach, videoOnly } from '../../cmaf/stream-selection.ts'
import { TrackFeed } from '../../cmaf/track-feed.ts'
import { readVideoFormat } from '../../cmaf/video-format.ts'
import { PackedAudioReader } from '../upstream/packed-audio-reader.ts'
import { formatOf } from '../upstream/segment-format.ts'
import { UnreadableSegment } from '../upstream/unreadable-segment.ts'
import type { WantedStreams } from './recipe.ts'
import type { LaidOutTrack, TrackLayout } from './track-layout.ts'

/** Timestamps of MPEG-TS count modulo this. */
const WRAP_TICKS = 2 ** 33
const SELECTIONS = { all: firstOfEach, video: videoOnly, audio: audioOnly(0) } as const
const TRACK_IDS = { video: 1, audio: 2 } as const
const DURATION_MAX = 0x7fff_ffff
const STREAM_TYPES = { aac: 0x0f, mp2: 0x03, ac3: 0x81, eac3: 0x87 } as const

type Kind = keyof typeof TRACK_IDS

/**
 * Makes segments of fragmented MP4 out of whole ones of MPEG-TS or packed audio, each by itself, with one timeline and one initialisation section
 * for a run of them. Parameter sets stay in the samples too, since not every player takes a new section behind a discontinuity.
 */
export class ToFmp4 {
  readonly #streams: WantedStreams
  readonly #tracks: TrackLayout
  readonly #formats = new Map<Kind, SampleFormat>()
  #map: Buffer | undefined
  /** Decoding time of the newest segment, 90 kHz without the wrap. */
  #newestDts: number | undefined

  /** `tracks`: the numbers and ticks that tracks get; other ones where there are none. */
  constructor(streams: WantedStreams, tracks: TrackLayout | undefined) {
    this.#streams = streams
    this.#tracks = tracks ?? {}
  }

  /** The media initialisation section of the run; undefined before its first segment was made. */
  get map(): Buffer | undefined {
    return this.#map
  }

  /** One moof with its mdat. Throws UnreadableSegment for what has nothing that has a place there. */
  make(segment: Buffer, sequence: number): Buffer {
    const feeds = new Map<Kind, TrackFeed>()
    let shift: number | undefined
    readUnits(segment, this.#streams, (unit) => {
      shift ??= this.#shiftFor(unit.dts)
      this.#take(feeds, { ...unit, pts: unit.pts + shift, dts: unit.dts + shift })
    })
    for (const feed of feeds.values()) feed.close()
    const present = [...feeds.values()].filter(({ queue }) => queue.samples.length > 0)
    const leader = present.find(({ isVideo }) => isVideo) ?? present[0]
    const first = leader?.queue.samples[0]
    if (leader === undefined || first === undefined) {
      throw new UnreadableSegment('it sent a segment without pictures or sound that fragmented MP4 has a place for')
    }
    this.#newestDts = leader.queue.dtsOf(first)
    this.#map ??= writeInit(
      present.map((feed) => ({ ...feed.format.track, ...this.#trackOf(feed), language: feed.language })),
    )
    const runs = present.map((feed) => runOf(feed, this.#trackOf(feed)))
    return writeFragment(sequence + 1, runs)
  }

  #trackOf({ isVideo, format }: TrackFeed): LaidOutTrack {
    const kind = isVideo ? 'video' : 'audio'
    return this.#tracks[kind] ?? { id: TRACK_IDS[kind], timescale: format.track.timescale }
  }

  /**
   * Segments of one run are hours apart at most: the wrap that is nearest to the newest is meant. The first is put one wrap
   * up, so that there is room for those before it.
   */
  #shiftFor(dts: number): number {
    if (this.#newestDts === undefined) return WRAP_TICKS
    return Math.round((this.#newestDts - dts) / WRAP_TICKS) * WRAP_TICKS
  }

  #take(feeds: Map<Kind, TrackFeed>, unit: AccessUnit): void {
    const { kind, language } = unit.stream
    if (kind !== 'video' && kind !== 'audio') return
    const format = this.#formatOf(kind, unit)
    // The section of the run has no track for it.
    if (format === undefined) return
    const known = feeds.get(kind)
    const feed = known ?? new TrackFeed(TRACK_IDS[kind], format, language)
    if (known === undefined) feeds.set(kind, feed)
    feed.push(unit)
  }

  #formatOf(kind: Kind, unit: AccessUnit): SampleFormat | undefined {
    const known = this.#formats.get(kind)
    const { codec } = unit.stream
    if (known !== undefined) {
      // Other parameter sets of the same codec stand in the samples; another header of sound would have nobody to tell it.
      const isSame = kind === 'video' ? known.key.startsWith(codec) : readAudioFormat(unit)?.key === known.key
      if (!isSame) throw new UnreadableSegment(`its ${kind} becomes another (${codec}) without a discontinuity`)
      return known
    }
    if (this.#map !== undefined) return undefined
    const own = kind === 'audio' ? readAudioFormat(unit) : unit.isRandomAccess ? readVideoFormat(unit) : undefined
    if (own === undefined) return undefined
    const kept = withSets(own, codec)
    this.#formats.set(kind, kept)
    return kept
  }
}

function readUnits(segment: Buffer, streams: WantedStreams, onUnit: (unit: AccessUnit) => void): void {
  switch (formatOf(segment)) {
    case 'mpegts': {
      const reader = new UnitReader({ select: SELECTIONS[streams], onUnit })
      reader.push(segment)
      reader.flush()
      return
    }
    case 'packed_audio':
      readPackedAudio(segment, onUnit)
      return
    default:
      throw new UnreadableSegment('it sent a segment that is neither MPEG-TS nor packed audio')
  }
}

function readPackedAudio(segment: Buffer, onUnit: (unit: AccessUnit) => void): void {
  let stream: ElementaryStream | undefined
  const reader = new PackedAudioReader(
    (codec) => {
      const type = codec in STREAM_TYPES ? STREAM_TYPES[codec as keyof typeof STREAM_TYPES] : undefined
      stream = type === undefined ? undefined : describeStream(TRACK_IDS.audio, type, Buffer.alloc(0))
    },
    (data, pts) => {
      if (stream !== undefined) onUnit({ stream, pts, dts: pts, isRandomAccess: true, data, nals: [] })
    },
  )
  reader.beginSegment()
  reader.push(segment)
}

/** ISO/IEC 14496-15 §5.3.2 and §8.3.2: sample entries avc3 and hev1 allow parameter sets in samples. */
function withSets(format: SampleFormat, codec: ElementaryStream['codec']): SampleFormat {
  if (codec !== 'h264' && codec !== 'hevc') return format
  const prefixed = new LengthPrefixed(codec, [])
  const { track } = format
  const entry =
    track.codec.kind === 'avc'
      ? ({ ...track.codec, entryType: 'avc3' } as const)
      : track.codec.kind === 'hevc'
        ? ({ ...track.codec, entryType: 'hev1' } as const)
        : track.codec
  return { ...format, track: { ...track, codec: entry }, toSample: (unit) => prefixed.convert(unit) }
}

/** The samples in ticks of the track that they go to; what is rounded does not add up. */
function runOf({ queue }: TrackFeed, { id, timescale }: LaidOutTrack): TrackRun {
  const scaled = (ticks: number): number => Math.round((ticks * timescale) / queue.timescale)
  const samples = queue.samples.map(({ data, time, duration, compositionOffset, isSync }) => {
    const from = scaled(time)
    return {
      ...{ data, isSync, duration: Math.min(DURATION_MAX, scaled(time + duration) - from) },
      compositionOffset: scaled(time + compositionOffset) - from,
    }
  })
  return { trackId: id, decodeTime: scaled(queue.samples[0]?.time ?? 0), samples }
}
