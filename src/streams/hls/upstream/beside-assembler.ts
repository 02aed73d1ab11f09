import type { Codec, ElementaryStream } from '../../../mpegts/elementary-stream.ts'
import type { AccessUnit } from '../../../mpegts/units/access-unit.ts'
import { TsWriter } from '../../../mpegts/units/ts-writer.ts'
import type { WrittenUnit } from '../../../mpegts/units/ts-writer.ts'
import type { WrittenStream } from '../../../mpegts/units/written-stream.ts'
import { natureOfWritten } from '../../../mpegts/units/written-stream.ts'
import { UnitReader } from '../../../mpegts/units/unit-reader.ts'
import { UnitMerger } from '../../cmaf/unit-merger.ts'
import { PackedAudioReader } from './packed-audio-reader.ts'
import type { SegmentAssembler, Track } from './segment-assembler.ts'
import type { SegmentFormat } from './segment-format.ts'
import { UnreadableSegment } from './unreadable-segment.ts'
import { TsJoiner } from './ts-joiner.ts'

const WRAP = 2 ** 33
/** What is taken of each; sound that is muxed with the pictures is not the one that was chosen. */
const KIND_OF = { main: 'video', audio: 'audio' } as const
/** What waits for the streams of the other rendition; the pictures go out alone when there is more, then the oldest is left out. */
const HELD_BYTES_MAX = 33_554_432

interface HeldUnit {
  readonly track: Track
  readonly index: number
  readonly unit: WrittenUnit
}

/** One rendition as elementary streams. */
interface Input {
  readonly joiner: TsJoiner
  readonly units: UnitReader
  readonly audio: PackedAudioReader
  format: SegmentFormat | undefined
  streams: readonly WrittenStream[]
  /** Added to its timestamps so that they are near those of the pictures: whole turns of the 33-bit clock. */
  turns: number | undefined
}

/**
 * Pictures in MPEG-TS and their sound in another playlist (MPEG-TS or packed audio), as one transport stream: both have the same timeline
 * (RFC 8216 §3), so units are put in the order of their decoding.
 */
export class BesideAssembler implements SegmentAssembler {
  readonly contentType = 'video/mp2t'
  readonly #writer = new TsWriter()
  readonly #merger: UnitMerger
  readonly #inputs: Readonly<Record<Track, Input>>
  #out: Buffer[] = []
  #held: HeldUnit[] = []
  #heldBytes = 0
  /** DTS of the first picture of this timeline. */
  #mainDts: number | undefined
  #isAnnounced = false

  constructor() {
    this.#merger = new UnitMerger((stream, unit) => this.#out.push(this.#writer.write(stream, unit)))
    this.#inputs = { main: this.#input('main'), audio: this.#input('audio') }
  }

  begin(track: Track, format: SegmentFormat, isDiscontinuity: boolean): void {
    const input = this.#inputs[track]
    if (format === 'fmp4' || (input.format !== undefined && input.format !== format)) {
      throw new UnreadableSegment('its sound comes in another format than its pictures, or changes its format')
    }
    input.format = format
    if (isDiscontinuity) this.#breakTimeline(track)
    if (format === 'mpegts') input.joiner.beginSegment(false)
    else input.audio.beginSegment()
  }

  push(track: Track, bytes: Buffer): Buffer {
    const input = this.#inputs[track]
    if (input.format === 'mpegts') input.units.push(input.joiner.push(bytes))
    else input.audio.push(bytes)
    return this.#take()
  }

  end(): Buffer {
    this.#inputs.main.units.flush()
    this.#inputs.audio.units.flush()
    this.#merger.flush()
    return this.#take()
  }

  #input(track: Track): Input {
    const units = new UnitReader({
      select: (streams) => streams.filter((each) => each.kind === KIND_OF[track] && isWritten(each)),
      onStreams: (streams) => this.#streamsCame(track, streams),
      onUnit: (unit) => this.#unitCame(track, unit),
    })
    const audio = new PackedAudioReader(
      (codec: Codec) => this.#streamsCame(track, [{ codec }]),
      (frame, pts) => this.#push(track, 0, { pts, dts: pts, isRandomAccess: true, data: frame }),
    )
    return { joiner: new TsJoiner(), units, audio, format: undefined, streams: [], turns: undefined }
  }

  #streamsCame(track: Track, streams: readonly WrittenStream[]): void {
    this.#inputs[track].streams = streams.map(({ codec, language }) => ({ codec, language }))
    // One table with everything is better than one with the pictures, and another soon after.
    if (Object.values(this.#inputs).every((input) => input.streams.length > 0)) this.#announce()
  }

  #announce(): void {
    const all = [...this.#inputs.main.streams, ...this.#inputs.audio.streams]
    this.#merger.flush()
    this.#merger.setStreams(all.length)
    this.#writer.setStreams(all)
    this.#isAnnounced = true
  }

  #unitCame(track: Track, { stream, pts, dts, isRandomAccess, data }: AccessUnit): void {
    const index = this.#inputs[track].units.streams.indexOf(stream)
    if (index >= 0) this.#push(track, index, { pts, dts, isRandomAccess, data: Buffer.from(data) })
  }

  /** Units wait until it is known which streams there are and when the pictures begin. */
  #push(track: Track, index: number, unit: WrittenUnit): void {
    if (track === 'main') this.#mainDts ??= unit.dts
    this.#held.push({ track, index, unit })
    this.#heldBytes += unit.data.length
    if (!this.#isAnnounced && this.#heldBytes > HELD_BYTES_MAX && this.#inputs.main.streams.length > 0) this.#announce()
    if (!this.#isAnnounced || this.#mainDts === undefined) {
      if (this.#heldBytes > HELD_BYTES_MAX) this.#heldBytes -= this.#held.shift()?.unit.data.length ?? 0
      return
    }
    for (const held of this.#held) this.#merge(held, this.#mainDts)
    this.#held = []
    this.#heldBytes = 0
  }

  #merge({ track, index, unit }: HeldUnit, mainDts: number): void {
    const { main } = this.#inputs
    const input = this.#inputs[track]
    input.turns ??= track === 'main' ? 0 : Math.round((mainDts - unit.dts) / WRAP)
    const shift = input.turns * WRAP
    const [pts, dts] = [Math.round(unit.pts + shift), Math.round(unit.dts + shift)]
    this.#merger.push(track === 'main' ? index : main.streams.length + index, { ...unit, pts, dts })
  }

  /** Both renditions break at the same place: that of the pictures is taken. */
  #breakTimeline(track: Track): void {
    const input = this.#inputs[track]
    input.units.flush()
    input.turns = undefined
    if (track !== 'main') return
    this.#merger.flush()
    this.#writer.startTimeline()
    this.#mainDts = undefined
  }

  #take(): Buffer {
    const out = this.#out
    this.#out = []
    return Buffer.concat(out)
  }
}

function isWritten({ codec }: Pick<ElementaryStream, 'codec'>): boolean {
  return natureOfWritten(codec) !== undefined
}
