import { TsJoiner } from './ts-joiner.ts'
import { PACKET_BYTES, SYNC_BYTE } from '../../../mpegts/packet.ts'

/** What segments are made of. */
export type SegmentFormat = 'mpegts' | 'packed_audio' | 'fmp4'

/** The rendition with the pictures (or the only one), and the audio that is beside it. */
export type Track = 'main' | 'audio'

/** Makes one continuous body out of the segments of one or two renditions. */
export interface SegmentAssembler {
  readonly contentType: string
  /** A segment begins; `map` is its Media Initialization Section. */
  begin(track: Track, format: SegmentFormat, isDiscontinuity: boolean, map: Buffer | undefined): void
  /** What can be handed on now; may be empty. The bytes given are not changed. */
  push(track: Track, bytes: Buffer): Buffer
  /** Nothing more comes. */
  end(): Buffer
}

const NOTHING = Buffer.alloc(0)
/** Boxes with which a segment of fMP4 begins (ISO/IEC 23000-19). */
const BOXES: ReadonlySet<string> = new Set(['styp', 'moof', 'sidx', 'emsg', 'prft', 'ftyp', 'free'])

/** The format of a segment by its first bytes; undefined when it is none of those that a playlist may name. */
export function formatOf(head: Buffer): SegmentFormat | undefined {
  if (head[0] === SYNC_BYTE && (head.length <= PACKET_BYTES || head[PACKET_BYTES] === SYNC_BYTE)) return 'mpegts'
  if (BOXES.has(head.toString('latin1', 4, 8))) return 'fmp4'
  const isAudioFrame = head[0] === 0xff && ((head[1] ?? 0) & 0xe0) === 0xe0
  const isAc3 = head[0] === 0x0b && head[1] === 0x77
  return isAudioFrame || isAc3 || head.toString('latin1', 0, 3) === 'ID3' ? 'packed_audio' : undefined
}

/** For segments of this format, with sound beside them or not. */
export function createAssembler(format: SegmentFormat, hasAudioBeside: boolean): SegmentAssembler {
  if (!hasAudioBeside && format === 'mpegts') return createTsAssembler()
  return createPackedAudioAssembler()
}

/** Segments of MPEG-TS in which everything is, one after another. */
function createTsAssembler(): SegmentAssembler {
  const joiner = new TsJoiner()
  return {
    contentType: 'video/mp2t',
    begin: (_track, _format, isDiscontinuity) => joiner.beginSegment(isDiscontinuity),
    push: (_track, bytes) => joiner.push(bytes),
    end: () => NOTHING,
  }
}

/** Packed audio as it is: whole frames, with the tags that have their time (RFC 8216 §3.4). */
function createPackedAudioAssembler(): SegmentAssembler {
  return { contentType: 'audio/aac', begin: () => {}, push: (_track, bytes) => bytes, end: () => NOTHING }
}
