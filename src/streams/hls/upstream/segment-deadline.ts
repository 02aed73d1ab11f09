/** What decides how long a source may take for one segment. */
export interface SegmentHaste {
  /** 0 while no playlist is known. */
  readonly targetDurationS: number
  /** Segments that are being fetched already, from whatever source: they share what there is of bandwidth. */
  readonly underWay: number
  /** Another source could take over. */
  readonly hasAlternative: boolean
  /** The source has delivered: at the start several segments are fetched at once, and take as much longer. */
  readonly hasDelivered: boolean
}

/** Players begin three target durations behind the end (RFC 8216 §6.3.3): past this they are about to stand still. */
const TARGETS_MAX = 2

/**
 * Milliseconds in which a segment has to be complete for its source to stay on air; undefined for as long as any answer may
 * take. A source that is slower than real time delivers every segment, and each later than the one before.
 */
export function segmentDeadlineMs(haste: SegmentHaste): number | undefined {
  const { targetDurationS, underWay, hasAlternative, hasDelivered } = haste
  if (!hasAlternative || !hasDelivered || targetDurationS <= 0) return undefined
  return (TARGETS_MAX + underWay) * targetDurationS * 1_000
}
