import type { CodecSignature, StreamSignature } from '../../../mpegts/analyser/signature.ts'
import { TsWriter } from '../../../mpegts/units/ts-writer.ts'
import { natureOfWritten } from '../../../mpegts/units/written-stream.ts'
import { SignatureReader } from '../../standby/signature-reader.ts'
import type { WantedStreams } from '../transmux/recipe.ts'
import { ToMpegts } from '../transmux/to-mpegts.ts'
import { PackedAudioReader } from '../upstream/packed-audio-reader.ts'
import { formatOf } from '../upstream/segment-format.ts'
import { UnreadableSegment } from '../upstream/unreadable-segment.ts'

/** A channel of pictures alone has no sound to be found in the segments that follow either. */
const OFFERS_MAX = 8

/** What players of a channel decode, read from the first of its segments that could be looked into. */
export class ChannelSignature {
  readonly #known = new Map<'video' | 'audio', readonly StreamSignature[]>()
  readonly #offers = { all: 0, video: 0, audio: 0 }

  /** Undefined until it is known what the pictures, or where there are none the sound, are coded with. */
  get signature(): CodecSignature | undefined {
    const streams = [...(this.#known.get('video') ?? []), ...(this.#known.get('audio') ?? [])]
    return streams.length === 0 ? undefined : { streams }
  }

  /** A segment of a playlist whose players expect these streams; `section` is its initialisation section, if it has one. */
  offer(streams: WantedStreams, segment: Buffer, section: Buffer | undefined): void {
    const missing = (['video', 'audio'] as const).filter(
      (kind) => !this.#known.has(kind) && (streams === 'all' || streams === kind),
    )
    if (missing.length === 0 || this.#offers[streams] >= OFFERS_MAX) return
    this.#offers[streams] += 1
    const packets = asMpegts(segment, section)
    if (packets === undefined) return
    const reader = new SignatureReader(({ streams: found }) => {
      for (const kind of missing) {
        const own = found.filter((stream) => stream.kind === kind && stream.format !== undefined)
        // The first is what players take.
        if (own.length > 0) this.#known.set(kind, own.slice(0, 1))
      }
    })
    reader.push(packets)
    reader.end()
  }
}

function asMpegts(segment: Buffer, section: Buffer | undefined): Buffer | undefined {
  if (formatOf(segment) === 'packed_audio') return soundAsMpegts(segment)
  if (section === undefined) return segment
  try {
    return new ToMpegts().make(section, segment, 0)
  } catch (error) {
    if (!(error instanceof UnreadableSegment)) throw error
    return undefined
  }
}

function soundAsMpegts(segment: Buffer): Buffer {
  const writer = new TsWriter()
  const packets: Buffer[] = []
  let isWritten = false
  const reader = new PackedAudioReader(
    (codec) => {
      isWritten = natureOfWritten(codec) !== undefined
      if (isWritten) writer.setStreams([{ codec }])
    },
    (data, pts) => {
      if (isWritten) packets.push(writer.write(0, { pts, dts: pts, isRandomAccess: true, data }))
    },
  )
  reader.beginSegment()
  reader.push(segment)
  return Buffer.concat(packets)
}
