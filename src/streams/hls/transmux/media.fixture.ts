import { SegmentReader } from '../../../isobmff/segment-reader.ts'
import type { ReadSample } from '../../../isobmff/segment-reader.ts'
import type { AccessUnit } from '../../../mpegts/units/access-unit.ts'
import { adtsFrame, h264Unit } from '../../../mpegts/units/elementary.fixture.ts'
import { TsWriter } from '../../../mpegts/units/ts-writer.ts'
import { UnitReader } from '../../../mpegts/units/unit-reader.ts'

const PICTURE_TICKS = 3_600
const SOUND_TICKS = 1_920
/** Pictures of one segment, and frames of sound that last as long. */
export const PICTURES = 24
export const SOUNDS = 45
export const SEGMENT_TICKS = PICTURES * PICTURE_TICKS

/** Segment `index` of a programme that begins at `base` (90 kHz); its sound begins before the first picture. */
export function tsSegment(index: number, base = 900_000, rateIndex = 3): Buffer {
  const writer = new TsWriter()
  writer.setStreams([{ codec: 'h264' }, { codec: 'aac', language: 'eng' }])
  const from = base + index * SEGMENT_TICKS
  const parts: Buffer[] = []
  let sounds = 0
  const soundUntil = (time: number): void => {
    for (; sounds < SOUNDS && from - 7_680 + sounds * SOUND_TICKS < time; sounds += 1) {
      const pts = from - 7_680 + sounds * SOUND_TICKS
      parts.push(writer.write(1, { pts, dts: pts, isRandomAccess: true, data: adtsFrame(sounds, 100, rateIndex) }))
    }
  }
  for (let picture = 0; picture < PICTURES; picture += 1) {
    const dts = from + picture * PICTURE_TICKS
    soundUntil(dts)
    const isRandomAccess = picture === 0
    parts.push(
      writer.write(0, { pts: dts + 2 * PICTURE_TICKS, dts, isRandomAccess, data: h264Unit(isRandomAccess, picture) }),
    )
  }
  soundUntil(Infinity)
  return Buffer.concat(parts)
}

/** The samples of fragmented MP4. */
export function samplesOf(map: Buffer, segment: Buffer): readonly ReadSample[] {
  const samples: ReadSample[] = []
  const reader = new SegmentReader({
    onTracks: () => {},
    onSample: (sample) => void samples.push({ ...sample, data: Buffer.from(sample.data) }),
    onEvent: () => {},
  })
  reader.push(map)
  reader.beginSegment()
  reader.push(segment)
  return samples
}

/** The units of a transport stream. */
export function unitsOf(packets: Buffer): readonly AccessUnit[] {
  const units: AccessUnit[] = []
  const reader = new UnitReader({ onUnit: (unit) => void units.push({ ...unit, data: Buffer.from(unit.data) }) })
  reader.push(packets)
  reader.flush()
  return units
}
