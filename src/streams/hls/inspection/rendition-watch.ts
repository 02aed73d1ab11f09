import { forgetOldest } from '../../../lib/forget-oldest.ts'
import type { Condition } from '../../detect/conditions.ts'
import { LoopWatch } from '../../detect/loop-watch.ts'
import { thresholds } from '../../detect/thresholds.ts'
import { HabitualGap } from './habitual-gap.ts'
import { boundsOf, spanMs } from './segment-facts.ts'
import type { KindFacts, SegmentFacts } from './segment-facts.ts'
import { Shortfall } from './shortfall.ts'

/** What the playlist says of a segment. */
export interface SegmentPlace {
  /** The source's media sequence number. */
  readonly sequence: number
  /** EXTINF, seconds. */
  readonly durationS: number
}

export interface SegmentSymptom {
  readonly condition: Condition
  /** What the source does, as the end of a sentence that begins with it. */
  readonly message: string
  readonly evidence: { readonly [key: string]: string | number | boolean }
  /** `at_most_warn`: not certain enough to leave the source, whatever was chosen. */
  readonly severity: 'as_chosen' | 'at_most_warn'
  /** Players are better off without this segment, where another source is left. */
  readonly isUnusable: boolean
}

/** What is kept of a segment. */
interface Seen {
  readonly facts: SegmentFacts
  readonly durationMs: number
  /** Without pictures and without sound at its end, together with those right before it, ms. */
  readonly videoGapMs: number
  readonly audioGapMs: number
}

/** Segments of one run that are remembered; the oldest goes. */
const SEEN_MAX = 64
/** Segments that wait for one before them until it is given up. */
const WAITING_MAX = 4
/** So many segments in a row that begin at the same time stand still. */
const STILL_SEGMENTS = 3
/** Units without a step of their timestamps, within one segment, that are needed before these count as stalled. */
const STALLED_UNITS_MIN = 10
/** A kind that ends before the other within a segment is judged at once beyond this share of it; less, with the segment that follows. */
const TAIL_SHARE = 0.5
const { scrambled, continuity_errors: ERRORS, pts_stalled: STALLED } = thresholds

/**
 * Judges the segments of one rendition between two discontinuities by what is in them. They may come in any order: a verdict is
 * of what was known when a segment came. Memory is bounded. Pure.
 */
export class RenditionWatch {
  readonly #seen = new Map<number, Seen>()
  readonly #loop = new LoopWatch()
  readonly #waiting = new Set<number>()
  readonly #shortfall = new Shortfall()
  readonly #videoGaps = new HabitualGap(thresholds.no_video)
  readonly #audioGaps = new HabitualGap(thresholds.no_audio)
  #signature: string | undefined
  #wasClear = false
  #hasMoved = false
  #nextInLoop: number | undefined

  /** What is wrong with a segment, the condition that explains the others first. */
  judge(place: SegmentPlace, facts: SegmentFacts): readonly SegmentSymptom[] {
    const before = this.#seen.get(place.sequence - 1)
    const durationMs = place.durationS * 1_000
    const video = gapsOf('video', facts, before, durationMs)
    const audio = gapsOf('audio', facts, before, durationMs)
    const seen: Seen = { facts, durationMs, videoGapMs: video.atEndMs, audioGapMs: audio.atEndMs }
    this.#keep(place.sequence, seen)
    const found = [
      facts.listsVideo || this.#videoGaps.hasHad ? this.#videoGaps.judge('no_video', video, facts.video) : undefined,
      this.#scrambled(place.sequence, facts),
      stalledWithin(facts, durationMs) ?? this.#standsStill(place.sequence, seen),
      facts.listsAudio ? this.#audioGaps.judge('no_audio', audio, facts.audio) : undefined,
      this.#damaged(place.sequence, 'transport_errors'),
      this.#damaged(place.sequence, 'continuity_errors'),
      this.#shortfall.judge(place.durationS, facts),
      this.#signatureChanged(facts),
      this.#looping(place.sequence),
    ]
    return found.filter((symptom) => symptom !== undefined)
  }

  #keep(sequence: number, seen: Seen): void {
    this.#seen.set(sequence, seen)
    forgetOldest(this.#seen, SEEN_MAX)
  }

  /** Segments right before and including this one, the newest first, while they last no longer than `ms` together. */
  #back(sequence: number, ms: number): readonly Seen[] {
    const found: Seen[] = []
    let lastedMs = 0
    for (let at = sequence; found.length < SEEN_MAX; at -= 1) {
      const seen = this.#seen.get(at)
      if (seen === undefined || (found.length > 0 && lastedMs + seen.durationMs > ms)) break
      lastedMs += seen.durationMs
      found.push(seen)
    }
    return found
  }

  #scrambled(sequence: number, { scrambledShare }: SegmentFacts): SegmentSymptom | undefined {
    if (scrambledShare <= scrambled.shareMin) {
      this.#wasClear ||= scrambledShare === 0
      return undefined
    }
    let lastedMs = 0
    for (const { facts, durationMs } of this.#back(sequence, Infinity)) {
      if (facts.scrambledShare <= scrambled.shareMin) break
      lastedMs += durationMs
    }
    if (lastedMs < scrambled.secondsInRow * 1_000) return undefined
    return {
      condition: 'scrambled',
      message: this.#wasClear ? 'became scrambled' : 'is scrambled',
      evidence: { scrambled_seconds: Math.round(lastedMs / 1_000), was_clear: this.#wasClear },
      ...{ isUnusable: this.#wasClear },
      severity: this.#wasClear ? 'as_chosen' : 'at_most_warn',
    }
  }

  /** One segment after the other begins at the same time: an origin that gives the same again under new names, or a clock that broke. */
  #standsStill(sequence: number, { facts }: Seen): SegmentSymptom | undefined {
    const { firstTimestamp, digest } = facts
    if (firstTimestamp === undefined) return undefined
    const others = this.#back(sequence, Infinity).slice(1)
    this.#hasMoved ||= others.some((other) => other.facts.firstTimestamp !== firstTimestamp)
    const isDifferent = (other: Seen) => other.facts.firstTimestamp !== firstTimestamp
    const until = others.findIndex(isDifferent)
    const same = until === -1 ? others : others.slice(0, until)
    const gapMs = same.reduce((sum, { durationMs }) => sum + durationMs, 0)
    const isHabit = !this.#hasMoved && same.some((other) => other.facts.digest !== digest)
    if (isHabit || same.length + 1 < STILL_SEGMENTS || gapMs < STALLED.holdMs) return undefined
    const identical = same.filter((other) => other.facts.digest === digest).length
    return {
      condition: 'pts_stalled',
      message: `gives segments that begin at the same time again and again: no step for ${Math.round(gapMs)} ms of media`,
      evidence: {
        ...{ gap_media_ms: Math.round(gapMs), limit_media_ms: STALLED.holdMs },
        ...{ timestamp: firstTimestamp, segments: same.length + 1, identical_segments: identical },
      },
      ...{ isUnusable: true, severity: 'as_chosen' },
    }
  }

  #damaged(sequence: number, condition: 'transport_errors' | 'continuity_errors'): SegmentSymptom | undefined {
    const of = ({ facts }: Seen) => (condition === 'transport_errors' ? facts.transportErrors : facts.continuityErrors)
    const window = this.#back(sequence, ERRORS.windowSeconds * 1_000)
    const [newest] = window
    if (newest === undefined || of(newest) === 0) return undefined
    // No second counts for more than a bad one.
    const capped = (seen: Seen) => Math.min(of(seen), Math.ceil((ERRORS.perSecond * seen.durationMs) / 1_000))
    const counted = window.reduce((sum, seen) => sum + capped(seen), 0)
    if (counted < ERRORS.perWindow) return undefined
    const lost = condition === 'continuity_errors'
    return {
      condition,
      message: lost ? 'has segments in which packets are missing' : 'sends packets that are marked as damaged',
      evidence: { errors: of(newest), errors_last_10_seconds: counted },
      ...{ isUnusable: false, severity: 'as_chosen' },
    }
  }

  #signatureChanged({ signature }: SegmentFacts): SegmentSymptom | undefined {
    if (signature === '') return undefined
    const before = this.#signature
    this.#signature = signature
    if (before === undefined || before === signature) return undefined
    return {
      condition: 'signature_changed',
      message: `changed its streams from ${before} to ${signature} without a discontinuity`,
      evidence: { before, now: signature },
      ...{ isUnusable: false, severity: 'as_chosen' },
    }
  }

  /** Pictures are looked at once, and would be most of what is kept. */
  #feed(sequence: number): void {
    const seen = this.#seen.get(sequence)
    if (seen === undefined) return
    for (const { bytes, tail, isKeyframe } of seen.facts.pictures) {
      if (isKeyframe) this.#loop.groupEnded(sequence)
      this.#loop.pictureEnded(bytes, tail)
    }
    this.#seen.set(sequence, { ...seen, facts: { ...seen.facts, pictures: [] } })
  }

  /** Pictures are compared in their order, so segments wait for those before them. */
  #looping(sequence: number): SegmentSymptom | undefined {
    this.#nextInLoop ??= sequence
    if (sequence >= this.#nextInLoop) this.#waiting.add(sequence)
    if (this.#waiting.size > WAITING_MAX) this.#nextInLoop = Math.min(...this.#waiting)
    for (let at = this.#nextInLoop; this.#waiting.delete(at); at += 1) {
      this.#nextInLoop = at + 1
      this.#feed(at)
    }
    if (!this.#loop.isLooping) return undefined
    const { cycleGroups } = this.#loop
    return {
      condition: 'looping',
      message: `repeats itself: ${cycleGroups} groups of pictures came three times in a row`,
      evidence: { cycle_groups: cycleGroups },
      ...{ isUnusable: false, severity: 'as_chosen' },
    }
  }
}

/** How long a kind is away around a segment, ms. */
export interface Gaps {
  /** The longest that is over, or judged without what follows. */
  readonly longestMs: number
  /** At the end of the segment, with what went before where it has none at all. */
  readonly atEndMs: number
}

function gapsOf(kind: 'video' | 'audio', facts: SegmentFacts, before: Seen | undefined, durationMs: number): Gaps {
  const beforeMs = (kind === 'video' ? before?.videoGapMs : before?.audioGapMs) ?? 0
  const own = facts[kind]
  if (own === undefined) {
    // Scrambled units have no timestamps that could be read; that is another condition.
    if (facts.scrambledShare > 0 || facts.jumps > 0) return { longestMs: 0, atEndMs: 0 }
    const wholeMs = beforeMs + Math.min(spanMs(facts) || durationMs, durationMs)
    return { longestMs: wholeMs, atEndMs: wholeMs }
  }
  const { startMs, endMs } = boundsOf(facts)
  const tailMs = facts.jumps > 0 ? 0 : endMs - own.endMs
  const headMs = facts.jumps > 0 ? 0 : own.startMs - startMs
  const judgedTailMs = tailMs > TAIL_SHARE * durationMs ? tailMs : 0
  return { longestMs: Math.max(beforeMs + headMs, own.longestIntervalMs, judgedTailMs), atEndMs: tailMs }
}

/** Units come and their timestamps do not move. */
function stalledWithin(facts: SegmentFacts, durationMs: number): SegmentSymptom | undefined {
  for (const kind of ['video', 'audio'] as const) {
    const own: KindFacts | undefined = facts[kind]
    const isStill = own !== undefined && own.units >= STALLED_UNITS_MIN && own.endMs === own.startMs
    if (!isStill || durationMs < STALLED.holdMs) continue
    return {
      condition: 'pts_stalled',
      message: `has ${kind} timestamps that stand still while its units come`,
      evidence: { gap_media_ms: Math.round(durationMs), limit_media_ms: STALLED.holdMs, kind, units: own.units },
      ...{ isUnusable: true, severity: 'as_chosen' },
    }
  }
  return undefined
}
