import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { seededRandom } from '../../lib/random.ts'
import { at, inBursts, inRuns, programme, smoothly, watch } from './programme.fixture.ts'
import type { Delivery, Piece, Picture, ProgrammeShape, Spoil } from './programme.fixture.ts'

const SECONDS = 120
const HALF_MS = (SECONDS * 1_000) / 2
const pidOf = (packet: Buffer) => packet.readUInt16BE(1) & 0x1fff
const hasField = (packet: Buffer) => ((packet[3] ?? 0) & 0x20) !== 0 && (packet[4] ?? 0) > 0

type Shape = Omit<ProgrammeShape, 'seconds'>

interface Sane {
  readonly name: string
  readonly shape?: Shape
  readonly delivery?: Delivery
}

/** Bursts of 1 to 9 s, as segments of uneven length are fetched by a relay. */
function unevenBursts(seed: number): Delivery {
  const random = seededRandom(seed)
  const ends: number[] = [0]
  while ((ends.at(-1) ?? 0) < SECONDS * 1_000 + 10_000) ends.push((ends.at(-1) ?? 0) + 1_000 + 8_000 * random.next())
  return at((mediaMs) => ends.find((end) => end >= mediaMs) ?? mediaMs)
}

/** Continuity counters begin anew every `everyMs`, on every PID, as where segments are put one behind the other. */
function countersRestart(everyMs: number): Spoil {
  const shifts = new Map<number, number>()
  let segment = 0
  return (packet, { mediaMs }) => {
    const now = Math.floor(mediaMs / everyMs)
    if (now !== segment) shifts.clear()
    segment = now
    const copy = Buffer.from(packet)
    const counter = (copy[3] ?? 0) & 0x0f
    const shift = shifts.get(pidOf(copy)) ?? counter
    shifts.set(pidOf(copy), shift)
    copy[3] = ((copy[3] ?? 0) & 0xf0) | ((counter - shift) & 0x0f)
    return copy
  }
}

/** Timelines begin anew in the middle; with `isAnnounced` the discontinuity indicator says so. */
function jump(byMs: number, isAnnounced: boolean): Shape {
  const moved = ({ mediaMs }: Picture) => (mediaMs < HALF_MS ? mediaMs : mediaMs + byMs)
  const announced = new Set<number>()
  return {
    firstDts: 900_000_000,
    stampMs: moved,
    pcrMs: moved,
    spoil: (packet, { mediaMs }) => {
      if (!isAnnounced || mediaMs < HALF_MS || announced.has(pidOf(packet)) || !hasField(packet)) return packet
      announced.add(pidOf(packet))
      const copy = Buffer.from(packet)
      copy[5] = (copy[5] ?? 0) | 0x80
      return copy
    },
  }
}

const quiet = ({ mediaMs }: Picture) => mediaMs % 60_000 > 45_000
const jitter = seededRandom(5)
const deliveries: readonly (readonly [string, Delivery])[] = [
  ['smooth', smoothly],
  ...[2_000, 5_000, 10_000, 14_000].map((ms) => [`bursts of ${ms / 1_000} s`, inBursts(ms)] as const),
  ...[2_000, 10_000].map((ms) => [`one run every ${ms / 1_000} s`, inRuns(ms)] as const),
  ['bursts of 1 to 9 s', unevenBursts(3)],
]

const plain: Shape = {}
const sparse: Shape = { tablesEvery: 260, pcrEvery: 50, groupPictures: 260 }

/** The same media for every delivery. */
const made = new Map<Shape, readonly Piece[]>()
function piecesOf(shape: Shape): readonly Piece[] {
  const pieces = made.get(shape) ?? programme({ seconds: SECONDS, ...shape })
  made.set(shape, pieces)
  return pieces
}

const sane: readonly Sane[] = [
  ...deliveries.map(([name, delivery]) => ({ name, delivery })),
  ...deliveries.map(([name, delivery]) => ({
    name: `tables and clock once per group of 10.4 s, ${name}`,
    shape: sparse,
    delivery,
  })),
  { name: 'network jitter of up to 800 ms', delivery: at((mediaMs) => mediaMs + 800 * jitter.next()) },
  { name: 'a start at half speed for 10 s', delivery: at((ms) => (ms < 5_000 ? 2 * ms : ms + 5_000)) },
  { name: 'a start at half speed that is made up for', delivery: at((ms) => Math.max(ms, Math.min(2 * ms, 10_000))) },
  { name: 'a backlog of 10 s, then nothing until it is used up', delivery: at((ms) => (ms < 10_000 ? ms / 100 : ms)) },
  { name: 'a backlog of 30 s, then nothing until it is used up', delivery: at((ms) => (ms < 30_000 ? ms / 100 : ms)) },
  { name: 'a lead of 10 s that stays', delivery: at((ms) => (ms < 10_000 ? ms / 100 : ms - 9_900)) },
  {
    name: 'hiccups of 5 s that are made up for',
    delivery: at((ms) => (ms % 30_000 < 5_000 ? ms - (ms % 30_000) + 5_000 : ms)),
  },
  { name: 'one interruption of 8 s, the rest comes late', delivery: at((ms) => (ms < HALF_MS ? ms : ms + 8_000)) },
  {
    name: 'pictures of 6 kB that shrink to 60 bytes for 15 s of each minute',
    shape: { bytesOf: (picture, random) => Math.round((quiet(picture) ? 60 : 6_000) * (0.5 + random())) },
  },
  {
    name: 'a third of the bit rate for good',
    shape: { bytesOf: ({ mediaMs }, random) => Math.round((mediaMs > HALF_MS ? 700 : 2_000) * (0.5 + random())) },
  },
  { name: 'wrap of PCR and timestamps', shape: { firstDts: 2 ** 33 - 60 * 90_000 } },
  { name: 'wrap in bursts of 10 s', shape: { firstDts: 2 ** 33 - 60 * 90_000 }, delivery: inBursts(10_000) },
  { name: 'an announced jump back by an hour', shape: jump(-3_600_000, true) },
  { name: 'an unannounced jump back by an hour', shape: jump(-3_600_000, false) },
  { name: 'an unannounced jump ahead by an hour', shape: jump(3_600_000, false) },
  { name: 'a hole of 9 s in the timeline', shape: jump(9_000, false) },
  { name: 'a step back by 2 s', shape: jump(-2_000, false) },
  { name: 'segments of 2 s whose counters begin anew', shape: { spoil: countersRestart(2_000) } },
  { name: 'a picture a second', shape: { has: { video: ({ index }) => index % 25 === 0 }, groupPictures: 250 } },
  {
    name: 'audio in pieces of 2 s',
    shape: { has: { audio: ({ index }) => index % 50 === 0 } },
  },
  { name: 'radio: no video at all', shape: { videoStreamType: () => 0, has: { video: () => false }, pcrPid: 0x101 } },
  { name: 'no clock reference at all', shape: { has: { pcr: () => false }, pcrPid: 0x1fff } },
  { name: 'a clock reference on a PID of its own', shape: { pcrPid: 0x1fe } },
  {
    name: 'groups of uneven length, up to 10 s',
    shape: { groupPictures: 1, has: { keyframe: ({ index }) => index % 250 === 0 || (index * index) % 97 === 3 } },
  },
  {
    name: 'reordered pictures with nothing but PTS',
    shape: { stampMs: ({ index, mediaMs }) => mediaMs + ([0, 120, -40, -40][index % 4] ?? 0) },
  },
]

describe('no condition is found', () => {
  for (const { name, shape = plain, delivery = smoothly } of sane) {
    test(name, () => {
      const { findings } = watch(piecesOf(shape), {
        untilTheEnd: true,
        bitRateFloor: { bytesPerSecondMin: 1_000, checkIntervalMs: 5_000, intervalsMax: 3, gracePeriodMs: 10_000 },
        delivery,
      })
      assert.deepEqual(
        findings.map(({ condition, message, detectedMs }) => `${condition}: ${message} (at ${detectedMs})`),
        [],
      )
    })
  }
})
