import { BesideAssembler } from './beside-assembler.ts'
import { CmafAssembler } from './cmaf-assembler.ts'
import type { SegmentAssembler } from './segment-assembler.ts'
import type { SegmentFormat } from './segment-format.ts'
import { TsJoiner } from './ts-joiner.ts'
import { UnreadableSegment } from './unreadable-segment.ts'

const NOTHING = Buffer.alloc(0)

/** For segments of this format, with sound beside them or not. */
export function createAssembler(format: SegmentFormat, hasAudioBeside: boolean): SegmentAssembler {
  if (format === 'fmp4') return new CmafAssembler(hasAudioBeside)
  if (hasAudioBeside) return new BesideAssembler()
  return format === 'mpegts' ? createTsAssembler() : createPackedAudioAssembler()
}

/** Segments of MPEG-TS in which everything is, one after another. */
function createTsAssembler(): SegmentAssembler {
  const joiner = new TsJoiner()
  return {
    contentType: 'video/mp2t',
    begin: (_track, format, isDiscontinuity) => {
      expect('mpegts', format)
      joiner.beginSegment(isDiscontinuity)
    },
    push: (_track, bytes) => joiner.push(bytes),
    end: () => NOTHING,
  }
}

/** Packed audio as it is: whole frames, with the tags that have their time (RFC 8216 §3.4). */
function createPackedAudioAssembler(): SegmentAssembler {
  return {
    contentType: 'audio/aac',
    begin: (_track, format) => expect('packed_audio', format),
    push: (_track, bytes) => bytes,
    end: () => NOTHING,
  }
}

/** One body cannot change what it is. */
function expect(wanted: SegmentFormat, found: SegmentFormat): void {
  if (found !== wanted) throw new UnreadableSegment(`its segments change from ${wanted} to ${found}`)
}
