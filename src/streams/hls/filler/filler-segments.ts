import { forgetOldest } from '../../../lib/forget-oldest.ts'
import { PACKET_BYTES } from '../../../mpegts/packet.ts'
import { TICKS_PER_MS } from '../../../mpegts/splice/timestamp.ts'
import { TsWriter } from '../../../mpegts/units/ts-writer.ts'
import { UnitReader } from '../../../mpegts/units/unit-reader.ts'
import { LoopReader } from '../../slate/loop-reader.ts'
import { loopTicksOf } from '../../slate/slate.ts'
import type { Slate } from '../../slate/slate.ts'
import type { WantedStreams } from '../transmux/recipe.ts'

/** Segments that can still be had: more than a playlist of them names. */
const KEPT_MAX = 16
/** Where nobody has asked for more than this, what lies between is left out, but for what a playlist still names. */
const UNASKED_MAX = 64
const NAMED_MAX = 8

/** A slate as segments of MPEG-TS that follow each other without end, each from a keyframe on. */
export class FillerSegments {
  readonly #slate: Slate
  /** Where the segments of one turn end, 90 kHz from its begin; the last is its length. */
  readonly #ends: readonly number[]
  readonly #reader: LoopReader
  readonly #kept = new Map<number, Buffer>()
  readonly #split = { video: new Split('video'), audio: new Split('audio') }
  #next = 0

  /** Each lasts at most `durationMsMax` where the slate allows that. */
  constructor(slate: Slate, durationMsMax: number) {
    this.#slate = slate
    this.#ends = endsOf(slate, durationMsMax * TICKS_PER_MS)
    this.#reader = new LoopReader(slate)
    // Sound before the first picture is of no use here.
    this.#reader.readUntil(0)
  }

  /** How long segment `index` lasts, ms. */
  durationMs(index: number): number {
    return (this.#endOf(index) - this.#endOf(index - 1)) / TICKS_PER_MS
  }

  /** How many segments are over when the first has begun so many ms ago. */
  countWithin(ms: number): number {
    const turn = this.#ends.at(-1) ?? 1
    const ticks = Math.max(0, ms * TICKS_PER_MS)
    const rest = ticks % turn
    return Math.floor(ticks / turn) * this.#ends.length + this.#ends.filter((end) => end <= rest).length
  }

  /** Segment `index`, from 0; undefined when it is not kept any more. */
  segment(index: number, streams: WantedStreams): Buffer | undefined {
    if (index - this.#next > UNASKED_MAX) {
      this.#next = index - NAMED_MAX
      this.#reader.skipUntil(this.#endOf(this.#next - 1))
    }
    while (this.#next <= index) this.#make()
    const whole = this.#kept.get(index)
    return whole === undefined || streams === 'all' ? whole : this.#split[streams].segment(index, whole)
  }

  /** 90 kHz from the begin of the first segment. */
  #endOf(index: number): number {
    const count = this.#ends.length
    const turn = this.#ends.at(-1) ?? 0
    return index < 0 ? 0 : Math.floor(index / count) * turn + (this.#ends[index % count] ?? 0)
  }

  #make(): void {
    this.#next += 1
    const packets = this.#reader.readUntil(this.#endOf(this.#next - 1))
    const hasTables = packets.length >= PACKET_BYTES && (packets.readUInt16BE(1) & 0x1fff) === 0
    this.#kept.set(this.#next - 1, hasTables ? packets : Buffer.concat([this.#slate.tables, packets]))
    forgetOldest(this.#kept, KEPT_MAX)
  }
}

/** Segments as long as may be, whole groups of pictures each; one turn is a loop, or several where they are short. */
function endsOf({ tracks }: Slate, ticksMax: number): readonly number[] {
  const [main] = tracks
  const loop = main === undefined ? 1 : loopTicksOf(main)
  if (loop <= ticksMax) return [loop * Math.floor(ticksMax / loop)]
  const keys = (main?.units ?? []).filter(({ isKey, dts }) => isKey && dts > 0).map(({ dts }) => dts)
  const ends: number[] = []
  let begin = 0
  while (begin < loop) {
    const later = [...keys, loop].filter((at) => at > begin)
    const end = later.findLast((at) => at - begin <= ticksMax) ?? later[0] ?? loop
    ends.push(end)
    begin = end
  }
  return ends
}

/** The pictures or the sound alone, for players that have them in playlists of their own. */
class Split {
  readonly #kind: 'video' | 'audio'
  readonly #made = new Map<number, Buffer>()

  constructor(kind: 'video' | 'audio') {
    this.#kind = kind
  }

  segment(index: number, whole: Buffer): Buffer {
    const made = this.#made.get(index) ?? this.#only(whole)
    this.#made.set(index, made)
    forgetOldest(this.#made, KEPT_MAX)
    return made
  }

  #only(whole: Buffer): Buffer {
    const parts: Buffer[] = []
    let writer: TsWriter | undefined
    const reader = new UnitReader({
      onUnit: ({ stream: { kind, codec, language }, ...unit }) => {
        if (kind !== this.#kind) return
        if (writer === undefined) {
          writer = new TsWriter()
          writer.setStreams([{ codec, ...(language === undefined ? {} : { language }) }])
        }
        parts.push(writer.write(0, unit))
      },
    })
    reader.push(whole)
    reader.flush()
    return Buffer.concat(parts)
  }
}
