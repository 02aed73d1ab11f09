import { attributeNumber } from './attribute-list.ts'
import type { AttributeList } from './attribute-list.ts'
import type { TagLine } from './playlist-text.ts'
import type { MediaPlaylist, MediaSegment, ServerControl, Start } from './playlist.ts'
import { DURATION_S_MAX, serverControlOf, startOf, wholeNumber } from './tag-values.ts'

type HeaderFields = Pick<
  MediaPlaylist,
  | 'version'
  | 'isIndependentSegments'
  | 'start'
  | 'targetDurationS'
  | 'mediaSequence'
  | 'discontinuitySequence'
  | 'playlistType'
  | 'hasEndList'
  | 'iFramesOnly'
  | 'serverControl'
  | 'partTargetS'
>

/** Reads the tags that hold for a whole media playlist (§4.3.1, §4.3.3, §4.3.5, bis §4.4.3). */
export class MediaHeader {
  #version = 1
  #isIndependentSegments = false
  #start: Start | undefined
  #targetDurationS: number | undefined
  #mediaSequence = 0
  #discontinuitySequence = 0
  #playlistType: 'EVENT' | 'VOD' | undefined
  #hasEndList = false
  #iFramesOnly = false
  #serverControl: ServerControl | undefined
  #partTargetS: number | undefined

  get mediaSequence(): number {
    return this.#mediaSequence
  }

  /** Whether it was one of these tags. @throws PlaylistError for numbers of segments that cannot be read. */
  tag(line: TagLine, attributes: () => AttributeList): boolean {
    switch (line.name) {
      case 'EXT-X-VERSION':
        this.#version = Number(/^\d{1,3}$/.exec(line.value)?.[0] ?? 1)
        return true
      case 'EXT-X-TARGETDURATION':
        this.#targetDurationS = targetDuration(line.value)
        return true
      case 'EXT-X-MEDIA-SEQUENCE':
        this.#mediaSequence = wholeNumber(line)
        return true
      case 'EXT-X-DISCONTINUITY-SEQUENCE':
        this.#discontinuitySequence = wholeNumber(line)
        return true
      case 'EXT-X-PLAYLIST-TYPE':
        this.#playlistType = line.value === 'EVENT' || line.value === 'VOD' ? line.value : undefined
        return true
      case 'EXT-X-ENDLIST':
        this.#hasEndList = true
        return true
      default:
        return this.#rareTag(line.name, attributes)
    }
  }

  #rareTag(name: string, attributes: () => AttributeList): boolean {
    switch (name) {
      case 'EXT-X-INDEPENDENT-SEGMENTS':
        this.#isIndependentSegments = true
        return true
      case 'EXT-X-I-FRAMES-ONLY':
        this.#iFramesOnly = true
        return true
      case 'EXT-X-START':
        this.#start = startOf(attributes())
        return true
      case 'EXT-X-SERVER-CONTROL':
        this.#serverControl = serverControlOf(attributes())
        return true
      case 'EXT-X-PART-INF':
        this.#partTargetS = attributeNumber(attributes(), 'PART-TARGET')
        return true
      default:
        return false
    }
  }

  /** Everything read; a target duration that is missing is the largest of the segments, rounded (§4.3.3.1). */
  fields(segments: readonly MediaSegment[]): HeaderFields {
    const largestS = segments.reduce((largest, { durationS }) => Math.max(largest, Math.round(durationS)), 1)
    return {
      version: this.#version,
      isIndependentSegments: this.#isIndependentSegments,
      start: this.#start,
      targetDurationS: this.#targetDurationS ?? largestS,
      mediaSequence: this.#mediaSequence,
      discontinuitySequence: this.#discontinuitySequence,
      playlistType: this.#playlistType,
      hasEndList: this.#hasEndList,
      iFramesOnly: this.#iFramesOnly,
      serverControl: this.#serverControl,
      partTargetS: this.#partTargetS,
    }
  }
}

/** Whole seconds; some servers write a fraction. Undefined when it is no number above 0, or above DURATION_S_MAX. */
function targetDuration(text: string): number | undefined {
  const match = /^\d{1,9}(?:\.\d*)?/.exec(text)
  const seconds = match === null ? 0 : Math.ceil(Number(match[0]))
  return seconds > 0 && seconds <= DURATION_S_MAX ? seconds : undefined
}
