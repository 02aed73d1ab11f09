import { IsobmffError } from '../../../isobmff/isobmff-error.ts'
import { CmafDemuxer } from '../../cmaf/cmaf-demuxer.ts'
import type { SegmentAssembler, Track } from './segment-assembler.ts'
import type { SegmentFormat } from './segment-format.ts'
import { UnreadableSegment } from './unreadable-segment.ts'

const GROUP_OF: Readonly<Record<Track, number>> = { main: 0, audio: 1 }

/** Segments of fragmented MP4, of one rendition or of pictures and their sound, as one transport stream. */
export class CmafAssembler implements SegmentAssembler {
  readonly contentType = 'video/mp2t'
  readonly #demuxer: CmafDemuxer
  readonly #maps = new Map<Track, Buffer>()
  #out: Buffer[] = []

  constructor(hasAudioBeside: boolean) {
    this.#demuxer = new CmafDemuxer({
      groups: hasAudioBeside ? 2 : 1,
      onPackets: (packets) => void this.#out.push(packets),
    })
  }

  begin(track: Track, format: SegmentFormat, isDiscontinuity: boolean, map: Buffer | undefined): void {
    if (format !== 'fmp4') {
      throw new UnreadableSegment('its sound comes in another format than its pictures, or changes its format')
    }
    if (isDiscontinuity && track === 'main') this.#demuxer.startTimeline()
    const group = GROUP_OF[track]
    if (map !== undefined && this.#maps.get(track)?.equals(map) !== true) {
      this.#maps.set(track, Buffer.from(map))
      this.#demuxer.beginSegment(group)
      this.#feed(track, map)
      const locked = this.#demuxer.leftOut.find(({ reason }) => reason === 'encrypted')
      if (locked !== undefined) {
        throw new UnreadableSegment(`its segments are protected (${locked.codec}), which only a player can decrypt`)
      }
    }
    this.#demuxer.beginSegment(group)
  }

  push(track: Track, bytes: Buffer): Buffer {
    this.#feed(track, bytes)
    return this.#take()
  }

  end(): Buffer {
    this.#demuxer.end()
    return this.#take()
  }

  #feed(track: Track, bytes: Buffer): void {
    try {
      this.#demuxer.push(GROUP_OF[track], bytes)
    } catch (error) {
      if (!(error instanceof IsobmffError)) throw error
      throw new UnreadableSegment(`it sent a segment that is not fragmented MP4 as it should be (${error.message})`)
    }
  }

  #take(): Buffer {
    const out = this.#out
    this.#out = []
    return Buffer.concat(out)
  }
}
