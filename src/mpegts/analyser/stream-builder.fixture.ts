import { PACKET_BYTES, PCR_MODULUS, pidOf } from '../packet.ts'
import { AUDIO_PID, createMux, PMT_PID, VIDEO_PID, VIDEO_PROGRAMME } from '../testing.ts'
import type { ProgrammeShape } from '../testing.ts'
import { TIMESTAMP_MODULUS } from './clock.ts'

/** A legal transport stream of H.264 at 25 fps and AAC at 48 kHz, to be broken in one place. */
export { AUDIO_PID, PMT_PID, VIDEO_PID }

export const FRAME_TICKS = 3_600
const AUDIO_FRAME_TICKS = 1_920
const TABLES_EVERY_FRAMES = 5
/** Audio frames to a PES packet. */
const AUDIO_FRAMES = 2
const AUDIO_PAYLOAD_BYTES = 40

export interface StreamShape {
  readonly frames: number
  /** Of the first picture, 90 kHz. */
  readonly firstDts?: number
  readonly programme?: ProgrammeShape
  readonly width?: number
  /** Number of the first picture, counted from a keyframe. */
  readonly firstPicture?: number
  /** Version of the tables. */
  readonly version?: number
  /** DTS − PCR; 45,000 ticks of 90 kHz. */
  readonly decodeDelayTicks?: number
  /** PTS − DTS of the pictures; one frame. */
  readonly shownAfterTicks?: number
  /** What audio is timed ahead of its place among the pictures, 0. */
  readonly audioAheadTicks?: number
  /** From keyframe to keyframe; 10. */
  readonly gopFrames?: number
  readonly lacksParameterSets?: boolean
  /** What is added to the DTS of a frame, and to its PCR and PTS. */
  readonly jitterTicks?: (frame: number) => number
  /** Sets discontinuity_indicator on the first PCR. */
  readonly announces?: boolean
}

/** The stream as packets. */
export function buildStream(shape: StreamShape): Buffer[] {
  const { frames, firstDts = 900_000, programme = VIDEO_PROGRAMME, width = 640, firstPicture = 0, version = 0 } = shape
  const { decodeDelayTicks = 45_000, shownAfterTicks = FRAME_TICKS, audioAheadTicks = 0, gopFrames = 10 } = shape
  const [videoPid = 0, audioPid = 0] = programme.streams.map(({ pid }) => pid)
  const mux = createMux([programme])
  const packets: Buffer[] = []
  let hasAnnounced = false
  const put = (bytes: Buffer) => {
    for (let at = 0; at < bytes.length; at += PACKET_BYTES) packets.push(bytes.subarray(at, at + PACKET_BYTES))
  }
  const putPes = (pid: number, bytes: Buffer, first: { readonly pcr?: number; readonly isRandomAccess?: boolean }) => {
    for (let at = 0; at < bytes.length;) {
      const isStart = at === 0
      const payload = bytes.subarray(at, at + (isStart ? 170 : 184))
      const isDiscontinuity = isStart && first.pcr !== undefined && shape.announces === true && !hasAnnounced
      if (isDiscontinuity) hasAnnounced = true
      put(mux.packet({ pid, payload, isStart, isDiscontinuity, ...(isStart ? first : {}) }))
      at += payload.length
    }
  }
  let audioDue = firstDts
  for (let frame = 0; frame < frames; frame += 1) {
    const dts = firstDts + frame * FRAME_TICKS + (shape.jitterTicks?.(frame) ?? 0)
    if (frame % TABLES_EVERY_FRAMES === 0) put(mux.tables(version))
    const picture = (firstPicture + frame) % gopFrames
    const pcr = ((dts - decodeDelayTicks) * 300 + PCR_MODULUS) % PCR_MODULUS
    const elementary = h264Picture(picture, shape.lacksParameterSets === true ? undefined : width)
    putPes(videoPid, pesPacket(0xe0, elementary, dts + shownAfterTicks, dts), { pcr, isRandomAccess: picture === 0 })
    while (audioDue <= dts) {
      const adts = Buffer.concat(Array.from({ length: AUDIO_FRAMES }, () => adtsFrame(AUDIO_PAYLOAD_BYTES)))
      putPes(audioPid, pesPacket(0xc0, adts, audioDue + audioAheadTicks), {})
      audioDue += AUDIO_FRAMES * AUDIO_FRAME_TICKS
    }
  }
  return packets
}

/** The same packets with the counters of one multiplexer, as if the splice had numbered them. */
export function renumber(packets: readonly Buffer[]): Buffer[] {
  const counters = new Map<number, number>()
  return packets.map((packet) => {
    const own = Buffer.from(packet)
    const pid = pidOf(own, 0)
    const hasPayload = ((own[3] ?? 0) & 0x10) !== 0
    const counter = ((counters.get(pid) ?? -1) + (hasPayload ? 1 : 0)) & 0x0f
    counters.set(pid, counter)
    own[3] = ((own[3] ?? 0) & 0xf0) | counter
    return own
  })
}

/** A PES packet (ISO/IEC 13818-1 §2.4.3.6); audio tells its length. */
export function pesPacket(streamId: number, elementary: Buffer, pts: number, dts?: number): Buffer {
  const times = dts === undefined ? timestamp(2, pts) : Buffer.concat([timestamp(3, pts), timestamp(1, dts)])
  const head = Buffer.from([0, 0, 1, streamId, 0, 0, 0x84, dts === undefined ? 0x80 : 0xc0, times.length])
  if (streamId < 0xe0) head.writeUInt16BE(3 + times.length + elementary.length, 4)
  return Buffer.concat([head, times, elementary])
}

function timestamp(prefix: number, ticks: number): Buffer {
  const value = BigInt(((ticks % TIMESTAMP_MODULUS) + TIMESTAMP_MODULUS) % TIMESTAMP_MODULUS)
  const bytes = Buffer.alloc(5)
  bytes[0] = (prefix << 4) | (Number(value >> 30n) << 1) | 1
  bytes.writeUInt16BE((Number((value >> 15n) & 0x7fffn) << 1) | 1, 1)
  bytes.writeUInt16BE((Number(value & 0x7fffn) << 1) | 1, 3)
  return bytes
}

/** One ADTS frame of AAC LC, 48 kHz, stereo. */
export function adtsFrame(payloadBytes: number): Buffer {
  const length = 7 + payloadBytes
  const head = [0xff, 0xf1, 0x4c, 0x80 | (length >>> 11), (length >>> 3) & 0xff, ((length & 7) << 5) | 0x1f, 0xfc]
  return Buffer.concat([Buffer.from(head), Buffer.alloc(payloadBytes, 0x21)])
}

/** Picture number `picture` of a group: an IDR with its parameter set at 0, else one that refers to those before it. */
function h264Picture(picture: number, width: number | undefined): Buffer {
  const fill = Buffer.alloc(300, 0xab)
  const slice = new BitWriter()
  slice.ue(0)
  slice.ue(picture === 0 ? 7 : 5)
  slice.ue(0)
  slice.bits(picture % 16, 4)
  const head = picture === 0 ? 0x65 : 0x41
  const unit = Buffer.concat([Buffer.from([0, 0, 0, 1, head]), slice.bytes(), fill])
  const delimiter = Buffer.from([0, 0, 0, 1, 0x09, 0xf0])
  const sets = picture === 0 && width !== undefined ? [h264Sps(width, 360)] : []
  return Buffer.concat([delimiter, ...sets, unit])
}

/** A Baseline sequence parameter set of 25 fps with 4 bits of frame_num (H.264 §7.3.2.1.1). */
function h264Sps(width: number, height: number): Buffer {
  const writer = new BitWriter()
  writer.bits(66, 8)
  writer.bits(0xc0, 8)
  writer.bits(30, 8)
  for (const value of [0, 0, 2, 1]) writer.ue(value)
  writer.bits(0, 1)
  writer.ue(width / 16 - 1)
  writer.ue(Math.ceil(height / 16) - 1)
  writer.bits(0b11, 2)
  const isCropped = height % 16 !== 0
  writer.bits(isCropped ? 1 : 0, 1)
  if (isCropped) for (const value of [0, 0, 0, (16 - (height % 16)) / 2]) writer.ue(value)
  // vui_parameters with nothing but timing.
  writer.bits(0b100001, 6)
  writer.bits(1, 32)
  writer.bits(50, 32)
  writer.bits(0b100001, 6)
  return Buffer.concat([Buffer.from([0, 0, 0, 1, 0x67]), writer.bytes()])
}

/** Writes the bits of a raw byte sequence payload with emulation prevention (H.264 §7.3.1). */
export class BitWriter {
  readonly #bits: number[] = []

  bits(value: number, count: number): void {
    for (let index = count - 1; index >= 0; index -= 1) this.#bits.push(Math.floor(value / 2 ** index) % 2)
  }

  ue(value: number): void {
    const length = Math.floor(Math.log2(value + 1))
    this.bits(0, length)
    this.bits(value + 1, length + 1)
  }

  bytes(): Buffer {
    const bytes: number[] = []
    for (let at = 0; at < this.#bits.length; at += 8) {
      const byte = [0, 1, 2, 3, 4, 5, 6, 7].reduce((value, index) => value * 2 + (this.#bits[at + index] ?? 0), 0)
      if (byte <= 3 && bytes.at(-1) === 0 && bytes.at(-2) === 0) bytes.push(3)
      bytes.push(byte)
    }
    return Buffer.from(bytes)
  }
}
