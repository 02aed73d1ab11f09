import type { Codec } from '../../elementary-stream.ts'
import { packetisePes } from '../../units/pes-packets.ts'
import { PACKET_BYTES } from '../../packet.ts'
import type { PacketWriter } from '../packet-writer.ts'
import { NO_TIMESTAMP, PCR_PER_MS, PCR_PER_TICK, pcrStep, TICKS_PER_MS } from '../timestamp.ts'
import { timestampStep, wrapTimestamp } from '../timestamp.ts'
import { soundGoesOnAt } from '../timeline.ts'
import { isAudio } from '../track.ts'
import type { Track } from '../track.ts'
import { silentSoundLike } from './silent-sound.ts'
import type { SilentSound } from './silent-sound.ts'

/** Sound that begins later than this after the join is not late because of the join. */
const FILL_TICKS_MAX = 1_000 * TICKS_PER_MS
/** What has been sent lies no further before what it is joined to, unless it belongs to another clock. */
const LAG_TICKS_MAX = 10_000 * TICKS_PER_MS
/** Where sound had stopped before the switch nobody waits for this, so no more than this goes out at once. */
const BURST_TICKS_MAX = 800 * TICKS_PER_MS
/** Rounding of timestamps to 90 kHz. */
const ROUNDING_TICKS = 2
/**
 * Silence goes out this far before the clock reaches it: as far as the clock goes until its next value, which is at most
 * 100 ms (ISO/IEC 13818-1 §2.7.2), but not by much more, since the sound itself may still come.
 */
const AHEAD_MIN = 40 * PCR_PER_MS
const AHEAD_MAX = 100 * PCR_PER_MS
/** After so long without any sound a frame goes out although there is time: PTS come at least every 700 ms (§2.7.4), and the source before may have ended up to 400 ms after its last. */
const QUIET_MAX = 300 * PCR_PER_MS
/** stream_id (ISO/IEC 13818-1 Table 2-22): private_stream_1 for AC-3 and E-AC-3, the first audio stream for the others. */
const STREAM_ID_PRIVATE = 0xbd
const STREAM_ID_AUDIO = 0xc0
const PRIVATE_CODECS: ReadonlySet<Codec> = new Set(['ac3', 'eac3'])

/** The sound of a track between two sources. */
interface Gap {
  readonly track: Track
  readonly sound: SilentSound
  /** Where silence begins, in the output's time, and how long it gets at most; 90 kHz. */
  readonly from: number
  readonly ticksMax: number
  /** The sound before had stopped while the clock went on: silence begins later than it ended. */
  readonly hadStopped: boolean
  /** Whole frames since `from`, and how many of them went out. */
  frames: number
  sent: number
  /** The clock of the output when something of the track went out last, or when it was joined; 27 MHz. */
  quietFrom: number
}

/**
 * Fills the time between the sound of one source and that of the next with silent frames. A source that is connected at
 * its picture has sent the sound of that picture before, so nobody has it. Decoders that wait for sound stop without it.
 * What is filled leaves when the clock of the output is about to reach it, or when the sound of the source is there, so
 * that silence neither comes too late nor takes the place of sound that comes in time.
 */
export class SoundFiller {
  readonly #writer: PacketWriter
  #gaps: Gap[] = []
  #filledTicks = 0
  /** The last clock reference that went out, 27 MHz. */
  #clock = NO_TIMESTAMP

  constructor(writer: PacketWriter) {
    this.#writer = writer
  }

  /** The most that was filled in a stream since the last join, 90 kHz ticks. */
  get filledTicks(): number {
    return this.#filledTicks
  }

  /** Nothing is filled until the next `begin`. */
  reset(): void {
    this.#gaps = []
    this.#filledTicks = 0
  }

  /**
   * A source begins that brings these tracks. What it begins with is presented at `joinPts`, and what is decoded before
   * `inTimeFrom` would be late; 90 kHz of the output.
   */
  begin(tracks: Iterable<Track>, joinPts: number, inTimeFrom: number): void {
    this.reset()
    for (const track of tracks) {
      const { sending, output } = track
      if (!isAudio(track) || sending.isRenewed || sending.lastDts === NO_TIMESTAMP) continue
      const from = soundGoesOnAt(sending.end, inTimeFrom)
      const hadStopped = from !== sending.end
      if (hadStopped && !sending.wasOnAir) continue
      const lagTicks = timestampStep(joinPts, from)
      const sound = silentSoundLike(output.codec, sending.audio.header)
      if (sound === undefined || lagTicks > LAG_TICKS_MAX) continue
      const ticksMax = Math.max(0, lagTicks) + FILL_TICKS_MAX
      this.#gaps.push({ track, sound, from, ticksMax, hadStopped, frames: 0, sent: 0, quietFrom: this.#clock })
    }
  }

  /** The clock of the output goes on from `last` to `next`, 27 MHz: what is to be decoded until it goes on again leaves now. */
  keepUp(last: number, next: number): void {
    this.#clock = last
    if (this.#gaps.length > 0 && last !== NO_TIMESTAMP) this.#fillUntil(last, next)
    this.#clock = next
  }

  #fillUntil(last: number, next: number): void {
    const until = next + Math.min(Math.max(pcrStep(next, last), AHEAD_MIN), AHEAD_MAX)
    for (const gap of this.#gaps) {
      const isQuiet = gap.quietFrom !== NO_TIMESTAMP && pcrStep(next, gap.quietFrom) > QUIET_MAX
      if (isQuiet && this.#hasRoom(gap)) this.#advance(gap)
      while (this.#hasRoom(gap) && pcrStep(until, ptsOf(gap) * PCR_PER_TICK) > 0) this.#advance(gap)
    }
  }

  /** The sound of the source begins at `pts`, 90 kHz of the output. */
  end(track: Track, pts: number): void {
    if (this.#gaps.length === 0) return
    const gap = this.#gaps.find((each) => each.track === track)
    if (gap === undefined) return
    this.#gaps = this.#gaps.filter((each) => each !== gap)
    if (timestampStep(pts, gap.from) > gap.ticksMax) return
    if (gap.hadStopped) skipTo(gap, wrapTimestamp(pts - BURST_TICKS_MAX))
    while (timestampStep(pts, ptsOf(gap)) + ROUNDING_TICKS >= gap.sound.frameTicks) this.#advance(gap)
  }

  /**
   * Sound of the source at `pts` (90 kHz of the output) does not go out because sound before it lasts longer. Where that is
   * silence it has come late, but it has come: no more silence takes its place.
   */
  yieldTo(track: Track, pts: number): void {
    if (this.#gaps.length === 0) return
    this.#gaps = this.#gaps.filter((gap) => gap.track !== track || timestampStep(pts, gap.from) < -ROUNDING_TICKS)
  }

  #hasRoom({ frames, sound, ticksMax }: Gap): boolean {
    return (frames + 1) * sound.frameTicks <= ticksMax
  }

  /** Sends the next frame, unless the clock has passed it already. */
  #advance(gap: Gap): void {
    const { track, sound } = gap
    const pts = ptsOf(gap)
    gap.frames += 1
    if (this.#clock !== NO_TIMESTAMP && pcrStep(pts * PCR_PER_TICK, this.#clock) < 0) return
    gap.sent += 1
    gap.quietFrom = this.#clock
    this.#filledTicks = Math.max(this.#filledTicks, gap.sent * sound.frameTicks)
    const { sending, output } = track
    const streamId = PRIVATE_CODECS.has(output.codec) ? STREAM_ID_PRIVATE : STREAM_ID_AUDIO
    const pes = { streamId, pts, dts: pts, data: sound.next(), isUnbounded: false }
    const first = { isRandomAccess: false, isDiscontinuity: false, pcr: undefined }
    const packets = packetisePes(pes, track.pid, (sending.counter + 1) & 0x0f, first)
    sending.counter = (sending.counter + packets.length / PACKET_BYTES) & 0x0f
    sending.holeTicks += timestampStep(pts, sending.end)
    sending.lastDts = pts
    sending.maxPts = pts
    sending.end = ptsOf(gap)
    this.#writer.write(packets)
  }
}

/** The frames that end before `pts` do not go out. */
function skipTo(gap: Gap, pts: number): void {
  gap.frames += Math.max(0, Math.floor(timestampStep(pts, ptsOf(gap)) / gap.sound.frameTicks))
}

/** PTS of the next frame. */
function ptsOf({ from, frames, sound }: Gap): number {
  return wrapTimestamp(from + Math.round(frames * sound.frameTicks))
}
