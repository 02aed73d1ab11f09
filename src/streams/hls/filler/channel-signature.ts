import type { CodecSignature, StreamSignature } from '../../../mpegts/analyser/signature.ts'
import { SignatureReader } from '../../standby/signature-reader.ts'
import type { WantedStreams } from '../transmux/recipe.ts'
import { ToMpegts } from '../transmux/to-mpegts.ts'
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
  if (section === undefined) return segment
  try {
    return new ToMpegts().make(section, segment, 0)
  } catch (error) {
    if (!(error instanceof UnreadableSegment)) throw error
    return undefined
  }
}
