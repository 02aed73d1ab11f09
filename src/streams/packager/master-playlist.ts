import { quoted, unquoted } from '../../hls/attribute-list.ts'
import type { AttributeList } from '../../hls/attribute-list.ts'
import { newMasterPlaylist } from '../../hls/new-playlist.ts'
import type { MasterPlaylist } from '../../hls/playlist.ts'
import type { CmafInitFile, Segment } from './segment.ts'

/** Where the media playlists are, relative to `/hls/{id}/`. */
export const TS_PLAYLIST = 'playlist.m3u8'
export const CMAF_PLAYLIST = 'cmaf/playlist.m3u8'

/**
 * Both renditions of the stream (RFC 8216 §4.3.4.2). They are cut at the same places, so a player may go over from one to
 * the other. Without `init` the codecs are not known, and there is the transport stream only.
 */
export function masterPlaylist(
  segments: readonly Segment[],
  init: CmafInitFile | undefined,
  suffix: string,
): MasterPlaylist {
  const ts = { uri: `${TS_PLAYLIST}${suffix}`, attributes: attributesOf(rates(segments, bytesOfTs), init) }
  if (init === undefined) return newMasterPlaylist({ version: 3, variants: [ts] })
  const cmaf = { uri: `${CMAF_PLAYLIST}${suffix}`, attributes: attributesOf(rates(segments, bytesOfCmaf), init) }
  return newMasterPlaylist({ version: 6, isIndependentSegments: true, variants: [ts, cmaf] })
}

/** Bits per second. */
export interface BitRates {
  readonly peak: number
  readonly average: number
}

export const bytesOfTs = ({ ts }: Segment): number => ts.bytes
export const bytesOfCmaf = ({ cmaf }: Segment): number => cmaf?.media.bytes ?? 0

/** What a player has to know of a rendition before it plays it. */
export type MediaFacts = Pick<CmafInitFile, 'codecs' | 'width' | 'height' | 'frameRate'>

/** Bits per second of the segments that there are; 1 before any, since a playlist has to say something. */
export function rates(segments: readonly Segment[], bytesOf: (segment: Segment) => number): BitRates {
  let bytes = 0
  let seconds = 0
  let peak = 1
  for (const segment of segments) {
    const own = bytesOf(segment)
    if (own === 0) continue
    bytes += own
    seconds += segment.durationS
    peak = Math.max(peak, (own * 8) / segment.durationS)
  }
  return { peak: Math.ceil(peak), average: seconds === 0 ? 1 : Math.ceil((bytes * 8) / seconds) }
}

/** Of EXT-X-STREAM-INF. */
export function attributesOf({ peak, average }: BitRates, init: MediaFacts | undefined): AttributeList {
  const attributes = [unquoted('BANDWIDTH', peak), unquoted('AVERAGE-BANDWIDTH', average)]
  if (init === undefined) return attributes
  attributes.push(quoted('CODECS', init.codecs))
  if (init.width !== undefined && init.height !== undefined) {
    attributes.push(unquoted('RESOLUTION', `${init.width}x${init.height}`))
  }
  if (init.frameRate !== undefined) attributes.push(unquoted('FRAME-RATE', init.frameRate.toFixed(3)))
  return attributes
}
