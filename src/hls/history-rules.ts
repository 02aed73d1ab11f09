import type { MediaPlaylist, MediaSegment, Part } from './playlist.ts'
import { resourceName } from './snapshot-rules.ts'
import {
  discontinuitySequences,
  durationOfSegmentsS,
  endSequence,
  firstSequence,
  programDateTimesMs,
} from './timeline.ts'
import { violation } from './violation.ts'
import type { Violation } from './violation.ts'
import { isSameKey, isSameMap } from './write-segments.ts'

export interface Change {
  readonly before: MediaPlaylist
  readonly after: MediaPlaylist
  /** Between the two, milliseconds. */
  readonly elapsedMs: number
  readonly toleranceMs: number
  /** What of an address names the resource; the rest may change, as a token in the query may. */
  readonly identityOf: (uri: string) => string
}

/** What a server may change of a media playlist, and nothing else (RFC 8216 §6.2.1, §6.2.2, bis the same). */
export function checkChange(change: Change): Violation[] {
  return [...headerRules(change), ...sequenceRules(change), ...sameSegmentRules(change), ...partHistoryRules(change)]
}

function headerRules({ before, after }: Change): Violation[] {
  const names = ['targetDurationS', 'version', 'isIndependentSegments', 'iFramesOnly', 'partTargetS'] as const
  const found = names
    .filter((name) => before[name] !== after[name])
    .map((name) =>
      violation('header-constant', 'RFC 8216 §6.2.1', 'header', `${name} was ${before[name]} and is ${after[name]}`),
    )
  if (before.playlistType !== undefined && before.playlistType !== after.playlistType) {
    const message = `the type was ${before.playlistType} and is ${after.playlistType}`
    found.push(violation('playlist-type', 'RFC 8216 §4.3.3.5', 'header', message))
  }
  if (before.hasEndList && !after.hasEndList) {
    found.push(violation('end-list', 'RFC 8216 §4.3.3.4', 'header', 'the playlist had ended and goes on'))
  } else if (before.hasEndList && endSequence(before) !== endSequence(after)) {
    found.push(violation('end-list', 'RFC 8216 §4.3.3.4', 'header', 'segments after the end'))
  }
  return found
}

function sequenceRules({ before, after, elapsedMs }: Change): Violation[] {
  const section = 'RFC 8216 §6.2.2'
  const found: Violation[] = []
  const complain = (rule: string, message: string) => found.push(violation(rule, section, 'header', message))
  const [end, endAfter] = [endSequence(before), endSequence(after)]
  if (after.mediaSequence < before.mediaSequence) {
    complain('media-sequence', `it was ${before.mediaSequence} and is ${after.mediaSequence}`)
    return found
  }
  if (endAfter < end) complain('removed-in-order', `the last segment was ${end - 1} and is ${endAfter - 1}`)
  if (after.discontinuitySequence < before.discontinuitySequence) {
    complain('discontinuity-sequence', `it was ${before.discontinuitySequence} and is ${after.discontinuitySequence}`)
  }
  if (after.mediaSequence === before.mediaSequence) return found
  if (after.playlistType !== undefined)
    complain('playlist-type', `segments left a playlist of type ${after.playlistType}`)
  const keptS = durationOfSegmentsS(after)
  if (!after.hasEndList && after.skip === undefined && keptS < 3 * after.targetDurationS - 0.001) {
    complain('three-target-durations', `${keptS.toFixed(3)} s are left, under 3 times ${after.targetDurationS} s`)
  }
  if (after.mediaSequence > end && elapsedMs < 2000 * after.targetDurationS) {
    complain('removed-in-order', `segments ${end} to ${after.mediaSequence - 1} were never there`)
  }
  return found
}

/** The same number names the same segment, at the same place of the same timeline. */
function sameSegmentRules({ before, after, toleranceMs, identityOf }: Change): Violation[] {
  const found: Violation[] = []
  const shift = firstSequence(after) - firstSequence(before)
  const countersBefore = discontinuitySequences(before)
  const counters = discontinuitySequences(after)
  const datesBefore = programDateTimesMs(before)
  const dates = programDateTimesMs(after)
  for (const [index, segment] of after.segments.entries()) {
    const known = before.segments[index + shift]
    if (known === undefined) continue
    const where = `segment ${firstSequence(after) + index}`
    const difference = differenceOf(known, segment, identityOf)
    if (difference !== undefined) found.push(violation('same-segment', 'RFC 8216 §6.2.1', where, difference))
    const [counterBefore, counter] = [countersBefore[index + shift], counters[index]]
    if (counterBefore !== counter) {
      const message = `its discontinuity sequence number was ${counterBefore} and is ${counter}`
      found.push(violation('discontinuity-sequence', 'RFC 8216 §6.2.2', where, message))
    }
    const [dateBefore, date] = [datesBefore[index + shift], dates[index]]
    if (dateBefore === undefined || date === undefined || Math.abs(date - dateBefore) <= toleranceMs) continue
    const message = `it moved by ${Math.round(date - dateBefore)} ms`
    found.push(violation('date-time', 'RFC 8216 §4.3.2.6', where, message))
  }
  return firstOfEach(found)
}

/** What is wrong with one segment is mostly wrong with those after it: each rule is named once, with the first. */
function firstOfEach(found: readonly Violation[]): Violation[] {
  return [...Map.groupBy(found, ({ rule }) => rule).values()].flatMap(([first, ...others]) => {
    if (first === undefined) return []
    return [others.length === 0 ? first : { ...first, message: `${first.message}, and ${others.length} more segments` }]
  })
}

function differenceOf(a: MediaSegment, b: MediaSegment, identityOf: (uri: string) => string): string | undefined {
  const name = (segment: MediaSegment) => resourceName({ ...segment, uri: identityOf(segment.uri) })
  if (name(a) !== name(b)) return `it was ${a.uri} and is ${b.uri}`
  if (a.durationS !== b.durationS) return `it lasted ${a.durationText} s and lasts ${b.durationText} s`
  const bare = (map: MediaSegment['map']) =>
    map === undefined ? undefined : { ...map, uri: identityOf(map.uri), keys: bareKeys(map.keys) }
  const bareKeys = (keys: MediaSegment['keys']) =>
    keys.map((key) => ({ ...key, uri: key.uri === undefined ? undefined : identityOf(key.uri) }))
  // What cannot be had is not read, so nothing has to say how.
  if (b.isGap && b.map === undefined) return undefined
  if (!isSameMap(bare(a.map), bare(b.map))) return 'its map changed'
  const [keysA, keysB] = [bareKeys(a.keys), bareKeys(b.keys)]
  const isSame = keysA.length === keysB.length && keysA.every((key) => keysB.some((other) => isSameKey(key, other)))
  return isSame ? undefined : 'its keys changed'
}

/** Parts stay until their segment is old, and more are only added at the end. */
function partHistoryRules({ before, after, identityOf }: Change): Violation[] {
  const found: Violation[] = []
  const headsBefore = [...before.segments, ...(before.trailing === undefined ? [] : [before.trailing])]
  const headsAfter = [...after.segments, ...(after.trailing === undefined ? [] : [after.trailing])]
  const shift = firstSequence(after) - firstSequence(before)
  const name = (part: Part) => `${resourceName({ ...part, uri: identityOf(part.uri) })} ${part.durationText}`
  for (const [index, { parts }] of headsBefore.entries()) {
    const later = headsAfter[index - shift]
    if (parts.length === 0 || index < shift) continue
    const where = `segment ${firstSequence(before) + index}`
    const isTrailing = index >= before.segments.length
    const isFinished = index - shift < after.segments.length
    const partsAfter = later?.parts ?? []
    if (isTrailing && !isFinished && partsAfter.length < parts.length) {
      found.push(
        violation('parts-kept', 'bis §6.2.1', where, `it had ${parts.length} parts and has ${partsAfter.length}`),
      )
    }
    const wrong = parts.findIndex((part, at) => {
      const other = partsAfter[at]
      return other !== undefined && name(part) !== name(other)
    })
    if (wrong !== -1) found.push(violation('same-part', 'bis §6.2.1', where, `part ${wrong} became another`))
  }
  return found
}
