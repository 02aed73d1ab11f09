import { indexOfNewest } from './upstream-segments.ts'
import type { UpstreamSegment } from './upstream-segments.ts'

/** How the dates of a span come about. */
export type SpanDates =
  /** The source's own, moved so that they never go back (usually by 0). */
  | { readonly kind: 'shifted'; readonly shiftMs: number }
  /** The source has none; they count on from this segment of it. */
  | { readonly kind: 'counted'; readonly upstreamSequence: number; readonly startMs: number }
  | { readonly kind: 'none' }

/**
 * One run of one source without a break: what every rendition of the stream agrees on, so that all have their
 * discontinuity at the same place. Plain JSON data.
 */
export interface Span {
  /** From 1. */
  readonly number: number
  readonly candidateId: string
  /** 0 is the primary. */
  readonly sourceIndex: number
  /** The discontinuity sequence number that its first segment has with us. */
  readonly discontinuity: number
  /** Where it was joined: the source's numbers of its first segment, and ours. */
  readonly join: {
    readonly upstreamSequence: number
    readonly upstreamDiscontinuity: number
    readonly sequence: number
    /** The source's own date of it. */
    readonly upstreamStartMs: number | null
  }
  readonly dates: SpanDates
}

/** What a join is measured against: the end of what was published before. */
export interface Tail {
  /** Date of its end, on our timeline. */
  readonly endMs: number | undefined
  /** Whether its dates are those of a source, so that they can be compared with another source's. */
  readonly hasTrueDates: boolean
  /** Seconds of media that players cannot have got, or will not get: the time since something was added, and what is lost. */
  readonly owedS: number
  readonly targetDurationS: number
  /** It has waited long enough for segments that are newer than those that were played. */
  readonly isImpatient: boolean
}

/** Never more than this many target durations of a new source at once: it would only add to the delay. */
export const OWED_TARGETS_MAX = 3
/** A source that is at most so many target durations behind is waited for, so that nothing is repeated. */
const BEHIND_TARGETS_MAX = 1

/**
 * The index at which a source is joined; the number of segments when what is next is not there yet. Where both sources
 * date their segments it is the one that begins nearest to where the old one ended. Otherwise, it is as far behind the live
 * edge as players are owed, so that the playlist has grown by as much as time has passed.
 */
export function joinIndex(upstream: readonly UpstreamSegment[], tail: Tail): number {
  const dated = tail.hasTrueDates && tail.endMs !== undefined ? datedIndex(upstream, tail, tail.endMs) : undefined
  if (dated !== undefined) return dated
  return indexOfNewest(upstream, Math.min(tail.owedS, OWED_TARGETS_MAX * tail.targetDurationS))
}

function datedIndex(upstream: readonly UpstreamSegment[], tail: Tail, endMs: number): number | undefined {
  let best: { readonly index: number; readonly offMs: number } | undefined
  for (const [index, { startMs, segment }] of upstream.entries()) {
    if (startMs === undefined) continue
    const offMs = Math.abs(startMs - endMs)
    if (offMs <= segment.durationS * 500 && (best === undefined || offMs < best.offMs)) best = { index, offMs }
  }
  if (best !== undefined) return best.index
  const last = upstream.at(-1)
  if (last?.startMs === undefined) return undefined
  const behindMs = endMs - (last.startMs + last.segment.durationS * 1_000)
  const waitMs = BEHIND_TARGETS_MAX * tail.targetDurationS * 1_000
  return !tail.isImpatient && behindMs > -last.segment.durationS * 500 && behindMs <= waitMs
    ? upstream.length
    : undefined
}

/** Where another rendition of a span is joined: at the same date, where it has dates, or else at the same number. */
export function sameJoinIndex(upstream: readonly UpstreamSegment[], { join }: Span): number {
  const { upstreamStartMs, upstreamSequence } = join
  const isSame = ({ startMs, sequence, segment }: UpstreamSegment): boolean =>
    upstreamStartMs === null || startMs === undefined
      ? sequence >= upstreamSequence
      : startMs >= upstreamStartMs - segment.durationS * 500
  const index = upstream.findIndex(isSame)
  return index === -1 ? upstream.length : index
}

/** How the dates of a new span come about; `wallMs` dates it where nothing else does. */
export function datesFrom(first: UpstreamSegment, tail: Tail, isFirstSpan: boolean, wallMs: number): SpanDates {
  const { startMs } = first
  if (startMs !== undefined) {
    const shiftMs = tail.endMs === undefined ? 0 : Math.max(0, tail.endMs - startMs)
    return { kind: 'shifted', shiftMs }
  }
  if (tail.endMs !== undefined) return { kind: 'counted', upstreamSequence: first.sequence, startMs: tail.endMs }
  // The mark of a switch needs a date (RFC 8216 §4.3.2.7).
  return isFirstSpan ? { kind: 'none' } : { kind: 'counted', upstreamSequence: first.sequence, startMs: wallMs }
}
