import { adtsFrame, h264Unit } from '../../../mpegts/units/elementary.fixture.ts'
import { TsWriter } from '../../../mpegts/units/ts-writer.ts'
import { ToFmp4 } from '../transmux/to-fmp4.ts'
import { readTrackLayout } from '../transmux/track-layout.ts'
import { contentOf } from './segment-content.ts'
import type { SegmentContent } from './segment-content.ts'
import type { SegmentFacts } from './segment-facts.ts'
import { readInitTracks } from './fmp4-facts.ts'

const PICTURE_TICKS = 3_600
const SOUND_TICKS = 1_920
const SOUND_LEAD_TICKS = 7_680
const REORDER_TICKS = 7_200
const TICKS_PER_S = 90_000

export interface MadeSegment {
  /** Its place in the programme. */
  readonly index: number
  /** Of every segment before it; 2 s. */
  readonly durationS?: number
  /** Pictures and sound of the first so many seconds; all, or 0 for none. */
  readonly videoS?: number
  readonly audioS?: number
  /** Listed in the programme map; both. */
  readonly lists?: readonly ('h264' | 'aac')[]
  /** 90 kHz; where the programme begins. */
  readonly base?: number
  /** Stands in for the index in what pictures and sound hold: the same number is the same content. */
  readonly content?: number
  /** Seconds between pictures; 0.04. */
  readonly pictureS?: number
}

/** A segment of MPEG-TS with H.264, whose pictures are shown two later than they are decoded, and AAC that begins before it. */
export function madeSegment(options: MadeSegment): Buffer {
  const { index, durationS = 2, lists = ['h264', 'aac'], base = 900_000, content = index } = options
  const { videoS = durationS, audioS = durationS, pictureS = PICTURE_TICKS / TICKS_PER_S } = options
  const writer = new TsWriter()
  writer.setStreams(lists.map((codec) => ({ codec })))
  const from = base + index * durationS * TICKS_PER_S
  const units = [
    ...(lists.includes('aac') ? sounds(from, audioS, content) : []),
    ...(lists.includes('h264') ? pictures(from, videoS, content, pictureS) : []),
  ].toSorted((left, right) => left.unit.dts - right.unit.dts)
  // Tables come with the first unit; a segment without any has its tables still.
  if (units.length === 0) return onlyTables(lists)
  return Buffer.concat(units.map(({ codec, unit }) => writer.write(lists.indexOf(codec), unit)))
}

function sounds(from: number, lastsS: number, content: number) {
  return Array.from({ length: Math.round((lastsS * TICKS_PER_S) / SOUND_TICKS) }, (_, at) => {
    const pts = from - SOUND_LEAD_TICKS + at * SOUND_TICKS
    const data = adtsFrame(content * 1_000 + at, 600)
    return { codec: 'aac' as const, unit: { pts, dts: pts, isRandomAccess: true, data } }
  })
}

function pictures(from: number, lastsS: number, content: number, pictureS: number) {
  return Array.from({ length: Math.round(lastsS / pictureS) }, (_, at) => {
    const dts = Math.round(from + at * pictureS * TICKS_PER_S)
    const isRandomAccess = at === 0
    const data = Buffer.concat([h264Unit(isRandomAccess, at), Buffer.from([content >> 8, content & 0xff, at, 0x80])])
    return { codec: 'h264' as const, unit: { pts: dts + REORDER_TICKS, dts, isRandomAccess, data } }
  })
}

function onlyTables(lists: readonly ('h264' | 'aac')[]): Buffer {
  const whole = madeSegment({ index: 0, durationS: 1, lists })
  return whole.subarray(0, 2 * 188)
}

const bothMap = lazyMap()

function lazyMap(): () => Buffer {
  let map: Buffer | undefined
  return () => {
    const muxer = new ToFmp4('all', undefined)
    if (map === undefined) muxer.make(madeSegment({ index: 0 }), 0)
    map ??= muxer.map ?? Buffer.alloc(0)
    return map
  }
}

/** The same in fragmented MP4. With pictures and sound in its section, where the segment has both or `hasBoth` says so. */
export function asFmp4(segment: Buffer, hasBoth = false): { readonly map: Buffer; readonly segment: Buffer } {
  const muxer = new ToFmp4('all', hasBoth ? readTrackLayout(bothMap()) : undefined)
  const made = muxer.make(segment, 0)
  return { map: hasBoth ? bothMap() : (muxer.map ?? Buffer.alloc(0)), segment: made }
}

export function contentOfFmp4(made: { readonly map: Buffer; readonly segment: Buffer }): SegmentContent {
  return contentOf(made.segment, readInitTracks(made.map))
}

/** What is in a segment that can be read. */
export function factsIn(content: SegmentContent): SegmentFacts {
  if (content.kind !== 'facts') throw new Error(`the segment is ${content.kind}`)
  return content.facts
}
