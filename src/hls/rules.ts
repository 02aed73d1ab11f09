import { checkChange } from './history-rules.ts'
import { parseMediaPlaylist } from './parse-playlist.ts'
import { PlaylistError } from './playlist.ts'
import type { MediaPlaylist } from './playlist.ts'
import { checkMediaPlaylist, resourceName, TOLERANCES } from './snapshot-rules.ts'
import type { Tolerances } from './snapshot-rules.ts'
import { checkText } from './text-rules.ts'
import { endSequence, firstSequence, programDateTimesMs } from './timeline.ts'
import { violation } from './violation.ts'
import type { Violation } from './violation.ts'

export interface PlaylistRulesOptions {
  readonly tolerances?: Partial<Tolerances>
  /** What of an address names the resource: give one that cuts the query off when tokens in it change. */
  readonly identityOf?: (uri: string) => string
  /** Whether a live playlist must change within 1.5 target durations (RFC 8216 §6.2.1). Default no. */
  readonly isTimely?: boolean
}

/** Addresses remembered, so that none comes back as another segment. */
const NAMES_MAX = 20_000

/**
 * Judges what a server published under one address over time: push every version that a client saw. Each call gives the
 * rules that this version broke, by itself or against the one before it.
 */
export class PlaylistRules {
  readonly #tolerances: Tolerances
  readonly #identityOf: (uri: string) => string
  readonly #isTimely: boolean
  readonly #sequences = new Map<string, number>()
  #before: MediaPlaylist | undefined
  #beforeAtMs = 0
  #changedAtMs = 0
  #lastDateMs: number | undefined

  constructor({ tolerances, identityOf, isTimely }: PlaylistRulesOptions = {}) {
    this.#tolerances = { ...TOLERANCES, ...tolerances }
    this.#identityOf = identityOf ?? ((uri) => uri)
    this.#isTimely = isTimely ?? false
  }

  /**
   * Judges the text as it came, which shows more than what was parsed from it, and completes delta updates. `url` is for
   * EXT-X-DEFINE:QUERYPARAM; `atMs` any clock that only goes forward.
   */
  pushText(text: string, atMs: number, url?: string): Violation[] {
    try {
      const previous = this.#before
      const options = { ...(previous === undefined ? {} : { previous }), ...(url === undefined ? {} : { url }) }
      const playlist = parseMediaPlaylist(text, options)
      return [...checkText(text), ...this.push(playlist, atMs)]
    } catch (error) {
      if (!(error instanceof PlaylistError)) throw error
      return [violation('syntax', 'RFC 8216 §4', `line ${error.line}`, error.message)]
    }
  }

  /** Judges a parsed playlist. A delta update must have been completed (`parsePlaylist` with `previous`). */
  push(playlist: MediaPlaylist, atMs: number): Violation[] {
    if (playlist.skip !== undefined) {
      return [violation('delta-update', 'bis §6.2.5.1', 'header', 'the playlist before it does not complete it')]
    }
    const before = this.#before
    const found = checkMediaPlaylist(playlist, this.#tolerances)
    if (before !== undefined) {
      found.push(
        ...checkChange({
          before,
          after: playlist,
          elapsedMs: atMs - this.#beforeAtMs,
          toleranceMs: this.#tolerances.programDateTimeMs,
          identityOf: this.#identityOf,
        }),
        ...this.#timing(before, playlist, atMs),
      )
    }
    found.push(...this.#names(playlist), ...this.#dates(playlist))
    if (
      before === undefined ||
      endSequence(before) !== endSequence(playlist) ||
      partsOf(before) !== partsOf(playlist)
    ) {
      this.#changedAtMs = atMs
    }
    this.#before = playlist
    this.#beforeAtMs = atMs
    return found
  }

  #timing(before: MediaPlaylist, after: MediaPlaylist, atMs: number): Violation[] {
    const sinceMs = atMs - this.#changedAtMs
    const limitMs = 1500 * after.targetDurationS
    if (!this.#isTimely || after.hasEndList || endSequence(before) !== endSequence(after) || sinceMs <= limitMs)
      return []
    const message = `no new segment for ${Math.round(sinceMs)} ms, more than 1.5 target durations`
    return [violation('timely', 'RFC 8216 §6.2.1', 'header', message)]
  }

  /** An address that named one segment must not name another later: caches and players would serve the old one. */
  #names(playlist: MediaPlaylist): Violation[] {
    const found: Violation[] = []
    for (const [index, segment] of playlist.segments.entries()) {
      if (segment.isGap) continue
      const sequence = firstSequence(playlist) + index
      const name = resourceName({ ...segment, uri: this.#identityOf(segment.uri) })
      const known = this.#sequences.get(name)
      if (known === sequence) continue
      // Twice in one playlist is told by the rules of a single playlist.
      if (known !== undefined && known < firstSequence(playlist)) {
        found.push(violation('uri-unique', 'house', `segment ${sequence}`, `${name} was segment ${known}`))
      }
      this.#sequences.set(name, sequence)
    }
    for (const name of this.#sequences.keys()) {
      if (this.#sequences.size <= NAMES_MAX) break
      this.#sequences.delete(name)
    }
    return found
  }

  /** Over a hole in the numbers too, dates go forward. */
  #dates(playlist: MediaPlaylist): Violation[] {
    const dates = programDateTimesMs(playlist)
    const end = this.#end()
    const firstNew = Math.max(0, end - firstSequence(playlist))
    const dateMs = dates[firstNew]
    const lastMs = this.#lastDateMs
    this.#lastDateMs = dates.findLast((each) => each !== undefined) ?? lastMs
    if (dateMs === undefined || lastMs === undefined || this.#before === undefined) return []
    if (dateMs >= lastMs - this.#tolerances.programDateTimeMs) return []
    const where = `segment ${firstSequence(playlist) + firstNew}`
    const message = `it begins ${Math.round(lastMs - dateMs)} ms before the last segment of the playlist before`
    return [violation('date-time-order', 'house', where, message)]
  }

  /** The number after the last segment that was seen. */
  #end(): number {
    return this.#before === undefined ? 0 : endSequence(this.#before)
  }
}

function partsOf({ trailing }: MediaPlaylist): number {
  return trailing?.parts.length ?? 0
}
