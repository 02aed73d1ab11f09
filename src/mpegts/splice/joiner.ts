import { markBrokenLink } from './broken-link.ts'
import { PID_CLOCK_ONLY } from './clock-sender.ts'
import type { ClockSender } from './clock-sender.ts'
import type { Emitter } from './emitter.ts'
import type { Hold } from './hold.ts'
import type { Opening } from './join-gate.ts'
import { offsetOfTwin } from './known-join.ts'
import type { KnownTimeline } from './known-join.ts'
import { stripClockBefore } from './lead-in.ts'
import { dropPackets } from './open-units.ts'
import type { SoundFiller } from './silence/sound-filler.ts'
import { joinDtsOf, shownLaterBy, soundGoesOnAt } from './timeline.ts'
import type { Timeline } from './timeline.ts'
import { laterTimestamp, NO_TIMESTAMP, TICKS_PER_MS, timestampStep, wrapTimestamp } from './timestamp.ts'
import { forgetTime, isAudio } from './track.ts'
import type { Track } from './track.ts'
import type { TrackTable } from './track-table.ts'

/** At the very begin, audio may be this much earlier than the picture: one unit. */
const AUDIO_LEAD_TICKS = 24 * TICKS_PER_MS

/** From the clock of a scrambled source to what follows it. */
const LEAD_TICKS = 200 * TICKS_PER_MS

export interface JoinerOptions {
  readonly hold: Hold
  readonly tracks: TrackTable
  readonly timeline: Timeline
  readonly clock: ClockSender
  readonly emitter: Emitter
  readonly filler: SoundFiller
}

/** The source that goes on air. */
export interface JoinedSource {
  readonly tracks: readonly Track[]
  /** How far its units come behind its own PCR, 90 kHz ticks. */
  readonly lateTicks: number
  /** Nothing was on air before. */
  readonly isFirst: boolean
}

/** The first unit of the leading track in the source's time, and how long its pictures last; 90 kHz. */
interface Head {
  readonly dts: number
  readonly pts: number
  readonly pictureTicks: number
}

/** Puts sources on the output's time: the head of each falls where the one before it ended, and nothing of it is late. */
export class Joiner {
  readonly #options: JoinerOptions
  #isOwnTime = false

  constructor(options: JoinerOptions) {
    this.#options = options
  }

  /** The source that was joined last is in a time of its own. */
  get isOwnTime(): boolean {
    return this.#isOwnTime
  }

  /** Begins with a picture of `track`; those that could not be decoded are taken out of the hold. */
  joinPicture(track: Track, opening: Opening, source: JoinedSource): void {
    const { hold, timeline, clock, emitter, filler } = this.#options
    const { key, firstDts, pictureTicks = 0 } = opening
    this.#place(track, { dts: firstDts, pts: key.pts, pictureTicks }, source)
    if (pictureTicks > 0) track.sending.steps.restart(pictureTicks)
    dropPackets(hold, (position, pid) =>
      pid === PID_CLOCK_ONLY
        ? position < key.position
        : pid === track.pid && position >= opening.dropFrom && position < opening.dropTo,
    )
    stripClockBefore(hold, key.position)
    if (track.output.codec === 'hevc' && !source.isFirst) {
      const [from, to] = [hold.offsetOf(key.position), hold.offsetOf(hold.end)]
      markBrokenLink({ buffer: hold.buffer, from, to, pid: track.pid }, opening.hasLeadingPictures)
    }
    const keyPts = wrapTimestamp(key.pts + timeline.offset)
    const { inTimeFrom } = clock
    const override = firstDts === key.dts ? undefined : { position: key.position, sourceDts: firstDts }
    emitter.begin({ soundFloor: wrapTimestamp(keyPts - AUDIO_LEAD_TICKS), inTimeFrom, firstDts: override })
    filler.begin(source.tracks, keyPts, inTimeFrom)
  }

  /** Begins with sound of `track` at `pts`, 90 kHz of the source. */
  joinSound(track: Track, pts: number, source: JoinedSource): void {
    const { timeline, clock, emitter, filler } = this.#options
    this.#place(track, { dts: pts, pts, pictureTicks: 0 }, source)
    const { inTimeFrom } = clock
    emitter.begin({ soundFloor: NO_TIMESTAMP, inTimeFrom })
    filler.begin(source.tracks, wrapTimestamp(pts + timeline.offset), inTimeFrom)
  }

  /** Timestamps of scrambled units cannot be read or changed: the source goes on in its own time. */
  joinScrambled(main: Track | undefined, { tracks, isFirst }: JoinedSource): void {
    const { timeline, clock, emitter } = this.#options
    for (const track of tracks) if (!isFirst) track.sending.isRenewed = true
    for (const track of this.#options.tracks.all) forgetTime(track)
    this.#isOwnTime = true
    timeline.join(0, 0)
    clock.begin(true, 0)
    emitter.lead(main)
    emitter.begin({ soundFloor: NO_TIMESTAMP, inTimeFrom: NO_TIMESTAMP })
  }

  /** Goes on in the time of the twin on air, which `leader` leads. */
  goOn(leader: Track, twin: KnownTimeline): void {
    const { timeline, clock, emitter } = this.#options
    timeline.goOn(offsetOfTwin(timeline.offset, twin))
    clock.begin(false, emitter.lagTicks)
    clock.wait()
    emitter.lead(leader)
    emitter.goOn({ soundFloor: leader.sending.lastDts, inTimeFrom: clock.inTimeFrom })
  }

  #place(track: Track, head: Head, { lateTicks, isFirst }: JoinedSource): void {
    const { tracks, timeline, clock, emitter } = this.#options
    const follows = joinDtsOf(track, tracks.all, emitter.leader)
    const target = follows === undefined ? this.#begin(head) : goesOnAt(track, follows, clock.inTimeFrom)
    this.#isOwnTime = false
    const lagTicks = shownLaterBy(track, target, timestampStep(head.pts, head.dts))
    timeline.join(head.dts, wrapTimestamp(target + lagTicks))
    clock.begin(false, lagTicks + lateTicks)
    // Nobody knows the programme yet whose clock it would be.
    if (isFirst) clock.wait()
    emitter.lag(lagTicks, head.pictureTicks)
    emitter.lead(track)
  }

  /** Where a source begins that follows nothing whose time is known. */
  #begin({ dts }: Head): number {
    const { inTimeFrom } = this.#options.clock
    return this.#isOwnTime && inTimeFrom !== NO_TIMESTAMP ? wrapTimestamp(inTimeFrom + LEAD_TICKS) : dts
  }
}

/** Where a track goes on that would at `follows`, unless that is past. */
function goesOnAt(track: Track, follows: number, inTimeFrom: number): number {
  return isAudio(track) ? soundGoesOnAt(follows, inTimeFrom) : laterTimestamp(follows, inTimeFrom)
}
