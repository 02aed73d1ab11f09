import { newMasterPlaylist } from '../../hls/new-playlist.ts'
import type { MasterPlaylist } from '../../hls/playlist.ts'
import type { FragmentSource } from '../../streams/cmaf/fragment.ts'
import {
  attributesOf,
  bytesOfCmaf,
  bytesOfTs,
  CMAF_PLAYLIST,
  rates,
  TS_PLAYLIST,
} from '../../streams/packager/master-playlist.ts'
import type { MediaFacts } from '../../streams/packager/master-playlist.ts'
import { PacketRuns } from '../../streams/packager/packet-runs.ts'
import type { Segment } from '../../streams/packager/segment.ts'
import type { RenditionRequest } from '../../streams/service.ts'
import { peakOf } from './ladder-arguments.ts'

export type RenditionFormat = 'ts' | 'cmaf'

/** Packets, tables and stuffing come on top of the media. */
const MULTIPLEX_SHARE = 1.1
const VERSION = 6

/** What the master playlist of a ladder says: of bit rates what was ordered and measured, of the rest what was made. */
export class LadderVariants {
  readonly #rungs: readonly RenditionRequest[]
  readonly #createMuxer: () => FragmentSource
  readonly #facts = new Map<number, MediaFacts>()

  constructor(rungs: readonly RenditionRequest[], createMuxer: () => FragmentSource) {
    this.#rungs = rungs
    this.#createMuxer = createMuxer
  }

  /** `segments` of each rendition, best first; `suffix` stands behind every URI. */
  master(segments: readonly (readonly Segment[])[], format: RenditionFormat, suffix: string): MasterPlaylist {
    const bytesOf = format === 'cmaf' ? bytesOfCmaf : bytesOfTs
    const playlist = format === 'cmaf' ? CMAF_PLAYLIST : TS_PLAYLIST
    const variants = segments.map((own, index) => {
      const measured = rates(own, bytesOf)
      const peak = Math.max(measured.peak, this.#orderedPeak(index))
      const average = measured.average > 1 ? measured.average : peak
      return {
        uri: `r/${index}/${playlist}${suffix}`,
        attributes: attributesOf({ peak, average }, this.#factsOf(own, index)),
      }
    })
    return newMasterPlaylist({ version: VERSION, isIndependentSegments: true, variants })
  }

  #orderedPeak(index: number): number {
    const rung = this.#rungs[index]
    if (rung === undefined) return 1
    return Math.ceil((peakOf(rung.videoBitsPerSecond) + rung.audioBitsPerSecond) * MULTIPLEX_SHARE)
  }

  /** Codecs and size, from the first segment; they stay, since the encoder makes the same again when it is restarted. */
  #factsOf(segments: readonly Segment[], index: number): MediaFacts | undefined {
    const known = this.#facts.get(index)
    if (known !== undefined) return known
    const [first] = segments
    const facts = first === undefined ? undefined : this.#read(first)
    if (facts !== undefined) this.#facts.set(index, facts)
    return facts
  }

  #read({ ts }: Segment): MediaFacts | undefined {
    if (ts.content.kind !== 'memory') return undefined
    const muxer = this.#createMuxer()
    const runs = new PacketRuns()
    for (const piece of ts.content.pieces) runs.push(piece, (run) => muxer.push(run, []))
    muxer.end()
    return muxer.init
  }
}
