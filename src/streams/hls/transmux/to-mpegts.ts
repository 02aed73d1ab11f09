import { formatOf } from '../upstream/segment-format.ts'
import { CmafAssembler } from '../upstream/cmaf-assembler.ts'
import { UnreadableSegment } from '../upstream/unreadable-segment.ts'

/** Makes whole segments of fragmented MP4 into such of MPEG-TS; those of a run that come in order have counters and clock that go on. */
export class ToMpegts {
  #assembler = new CmafAssembler(false)
  #nextSequence: number | undefined

  /** Throws UnreadableSegment for what is protected or damaged, or has nothing that has a place there. */
  make(map: Buffer, segment: Buffer, sequence: number): Buffer {
    if (formatOf(segment) !== 'fmp4') throw new UnreadableSegment('it sent a segment that is not fragmented MP4')
    // Behind a gap, or back in time, nothing goes on.
    if (this.#nextSequence !== sequence) this.#assembler = new CmafAssembler(false)
    this.#nextSequence = undefined
    this.#assembler.begin('main', 'fmp4', false, map)
    const made = Buffer.concat([this.#assembler.push('main', segment), this.#assembler.end()])
    if (made.length === 0)
      throw new UnreadableSegment('it sent a segment without pictures or sound that MPEG-TS has a place for')
    this.#nextSequence = sequence + 1
    return made
  }
}
