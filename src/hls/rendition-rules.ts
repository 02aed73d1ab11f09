import type { MediaPlaylist } from './playlist.ts'
import { discontinuitySequences, endSequence, firstSequence, programDateTimesMs } from './timeline.ts'
import { violation } from './violation.ts'
import type { Violation } from './violation.ts'

/** A media playlist of a presentation and what to call it. */
export interface NamedPlaylist {
  readonly name: string
  readonly playlist: MediaPlaylist
}

/** One side of a discontinuity: what begins with one discontinuity sequence number. */
interface Begin {
  readonly counter: number
  readonly sequence: number
  readonly dateMs: number | undefined
}

/**
 * What the variants and renditions of one presentation must have in common, fetched at about the same time
 * (RFC 8216 §6.2.4): target durations, kind, and the same discontinuities at the same places. A place is a date when
 * both have one, a media sequence number otherwise. Pass no subtitles or I-frame playlists: they may differ.
 */
export function checkRenditions(playlists: readonly NamedPlaylist[], toleranceMs = 500): Violation[] {
  const [reference, ...others] = playlists
  return reference === undefined ? [] : others.flatMap((other) => compare(reference, other, toleranceMs))
}

function compare(a: NamedPlaylist, b: NamedPlaylist, toleranceMs: number): Violation[] {
  const section = 'RFC 8216 §6.2.4'
  const found: Violation[] = []
  const where = `${a.name} and ${b.name}`
  const [durationA, durationB] = [a.playlist.targetDurationS, b.playlist.targetDurationS]
  if (durationA !== durationB) {
    found.push(violation('rendition-target-duration', section, where, `${durationA} s and ${durationB} s`))
  }
  if (a.playlist.hasEndList !== b.playlist.hasEndList && a.playlist.playlistType === 'VOD') {
    found.push(violation('rendition-end', section, where, 'one has ended and the other has not'))
  }
  const beginsB = begins(b.playlist)
  for (const begin of begins(a.playlist)) {
    const other = beginsB.find(({ counter }) => counter === begin.counter)
    if (other === undefined) {
      // The playlists may be of different moments: only what lies well inside the other one must be there.
      if (isInside(begin, b.playlist, toleranceMs)) {
        const message = `discontinuity ${begin.counter} at segment ${begin.sequence} is only in ${a.name}`
        found.push(violation('rendition-discontinuity', section, where, message))
      }
      continue
    }
    const isDated = begin.dateMs !== undefined && other.dateMs !== undefined
    const offMs = (begin.dateMs ?? 0) - (other.dateMs ?? 0)
    if (isDated ? Math.abs(offMs) <= toleranceMs : begin.sequence === other.sequence) continue
    const message = isDated
      ? `discontinuity ${begin.counter} is ${Math.round(offMs)} ms apart`
      : `discontinuity ${begin.counter} is at segment ${begin.sequence} and at segment ${other.sequence}`
    found.push(violation('rendition-discontinuity', section, where, message))
  }
  return found
}

/** The discontinuities of a playlist that lie in it: not one before the first segment, whose place is not known. */
function begins(playlist: MediaPlaylist): readonly Begin[] {
  const counters = discontinuitySequences(playlist)
  const dates = programDateTimesMs(playlist)
  return playlist.segments.flatMap(({ isDiscontinuity }, index) => {
    if (!isDiscontinuity || index === 0) return []
    return [{ counter: counters[index] ?? 0, sequence: firstSequence(playlist) + index, dateMs: dates[index] }]
  })
}

function isInside({ dateMs, sequence }: Begin, playlist: MediaPlaylist, toleranceMs: number): boolean {
  const dates = programDateTimesMs(playlist)
  const firstMs = dates.find((each) => each !== undefined)
  const lastMs = dates.findLast((each) => each !== undefined)
  if (dateMs !== undefined && firstMs !== undefined && lastMs !== undefined) {
    return dateMs > firstMs + toleranceMs && dateMs <= lastMs - toleranceMs
  }
  return sequence > firstSequence(playlist) && sequence < endSequence(playlist)
}
