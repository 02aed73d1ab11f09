import type { MediaPlaylist, Part } from './playlist.ts'
import { firstSequence } from './timeline.ts'
import { violation } from './violation.ts'
import type { Violation } from './violation.ts'

/** Durations are written with few digits: what two of them may differ by, seconds. */
const ROUNDING_S = 0.001
/** The shortest part that is not the last of its segment, of the part target (bis §4.4.3.7). */
const PART_SHARE_MIN = 0.85

/** Rules of Low-Latency HLS that one playlist must satisfy (bis §4.4.3.7, §4.4.3.8, §4.4.4.9). */
export function partRules(playlist: MediaPlaylist, toleranceS: number): Violation[] {
  const { segments, trailing, partTargetS } = playlist
  const first = firstSequence(playlist)
  const found = serverControlRules(playlist)
  const heads = trailing === undefined ? segments : [...segments, trailing]
  const seen = new Map<string, string>()
  for (const [index, { parts }] of heads.entries()) {
    const where = `segment ${first + index}`
    if (parts.length === 0) continue
    if (partTargetS === undefined) {
      found.push(violation('part-target', 'bis §4.4.3.7', where, 'parts without EXT-X-PART-INF'))
    }
    for (const [at, part] of parts.entries()) {
      const place = `part ${at} of ${where}`
      const isLast = at === parts.length - 1
      found.push(...durationRules(part, partTargetS ?? Infinity, isLast, place))
      const { uri, byteRange } = part
      const name = byteRange === undefined ? uri : `${uri} ${byteRange.length}@${byteRange.offset}`
      const before = seen.get(name)
      if (before !== undefined) found.push(violation('uri-unique', 'house', place, `${name} is ${before} too`))
      seen.set(name, place)
    }
    const segment = segments[index]
    const sumS = parts.reduce((sum, { durationS }) => sum + durationS, 0)
    if (segment !== undefined && Math.abs(sumS - segment.durationS) > toleranceS) {
      const message = `its parts last ${sumS.toFixed(3)} s and it lasts ${segment.durationText} s`
      found.push(violation('parts-duration', 'bis §4.4.4.9', where, message))
    }
  }
  return found
}

function durationRules(part: Part, targetS: number, isLast: boolean, where: string): Violation[] {
  const { durationS, durationText, isGap } = part
  if (durationS > targetS + ROUNDING_S) {
    const message = `${durationText} s is more than the part target of ${targetS} s`
    return [violation('part-target', 'bis §4.4.3.7', where, message)]
  }
  if (isLast || isGap || targetS === Infinity || durationS >= targetS * PART_SHARE_MIN - ROUNDING_S) return []
  return [
    violation(
      'part-target',
      'bis §4.4.3.7',
      where,
      `${durationText} s is under 85 % of the part target of ${targetS} s`,
    ),
  ]
}

function serverControlRules({ serverControl, partTargetS, targetDurationS }: MediaPlaylist): Violation[] {
  const found: Violation[] = []
  const complain = (message: string) => found.push(violation('server-control', 'bis §4.4.3.8', 'header', message))
  const { holdBackS, partHoldBackS, canSkipUntilS, canSkipDateRanges, canBlockReload } = serverControl ?? {}
  if (holdBackS !== undefined && holdBackS < 3 * targetDurationS) {
    complain(`HOLD-BACK of ${holdBackS} s is under 3 target durations`)
  }
  if (canSkipUntilS !== undefined && canSkipUntilS < 6 * targetDurationS) {
    complain(`CAN-SKIP-UNTIL of ${canSkipUntilS} s is under 6 target durations`)
  }
  if (canSkipDateRanges === true && canSkipUntilS === undefined) complain('CAN-SKIP-DATERANGES without CAN-SKIP-UNTIL')
  if (partTargetS === undefined) return found
  if (partHoldBackS === undefined) complain('EXT-X-PART-INF without PART-HOLD-BACK')
  else if (partHoldBackS < 2 * partTargetS - ROUNDING_S) {
    complain(`PART-HOLD-BACK of ${partHoldBackS} s is under 2 part targets`)
  }
  if (canBlockReload !== true) complain('EXT-X-PART-INF without CAN-BLOCK-RELOAD (bis appendix B.1)')
  return found
}
