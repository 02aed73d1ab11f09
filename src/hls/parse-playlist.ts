import { MasterReader } from './master-reader.ts'
import { MediaReader } from './media-reader.ts'
import { readLines } from './playlist-text.ts'
import type { Line } from './playlist-text.ts'
import { PlaylistError } from './playlist.ts'
import type { Define, MasterPlaylist, MediaPlaylist } from './playlist.ts'
import { Variables } from './variables.ts'

export interface ParseOptions {
  /** What the master playlist defined, for EXT-X-DEFINE:IMPORT. */
  readonly imported?: readonly Define[]
  /** The final address of the playlist, for EXT-X-DEFINE:QUERYPARAM. */
  readonly url?: string
  /**
   * The playlist before this one. A delta update (EXT-X-SKIP) is completed from it; without it the skipped segments stay
   * away and `skip` says how many they are.
   */
  readonly previous?: MediaPlaylist
}

/** Tags that only one kind of playlist has (§4.3.2 to §4.3.4); together they are an error. */
const MASTER_TAGS = new Set([
  'EXT-X-MEDIA',
  'EXT-X-STREAM-INF',
  'EXT-X-I-FRAME-STREAM-INF',
  'EXT-X-IMAGE-STREAM-INF',
  'EXT-X-SESSION-DATA',
  'EXT-X-SESSION-KEY',
  'EXT-X-CONTENT-STEERING',
])
const MEDIA_TAGS = new Set([
  'EXTINF',
  'EXT-X-BYTERANGE',
  'EXT-X-DISCONTINUITY',
  'EXT-X-KEY',
  'EXT-X-MAP',
  'EXT-X-GAP',
  'EXT-X-PART',
  'EXT-X-TARGETDURATION',
  'EXT-X-MEDIA-SEQUENCE',
  'EXT-X-DISCONTINUITY-SEQUENCE',
  'EXT-X-ENDLIST',
  'EXT-X-PLAYLIST-TYPE',
  'EXT-X-I-FRAMES-ONLY',
  'EXT-X-PART-INF',
  'EXT-X-SERVER-CONTROL',
  'EXT-X-SKIP',
])

/**
 * Reads a playlist, master or media (RFC 8216 §4, bis §4). Lenient where servers are careless and the meaning is plain:
 * ends of lines, a byte order mark, a missing or fractional target duration, missing quotes. Strict where a guess would
 * play the wrong thing: an encryption that cannot be read, a byte range that begins nowhere, a segment without duration.
 * Takes time in proportion to the text.
 * @throws PlaylistError and nothing else.
 */
export function parsePlaylist(text: string, options: ParseOptions = {}): MasterPlaylist | MediaPlaylist {
  const lines = [...readLines(text)]
  const variables = new Variables({ imported: options.imported ?? [], url: options.url })
  const reader = kindOf(lines) === 'master' ? new MasterReader(variables) : new MediaReader(variables, options.previous)
  for (const line of lines) {
    if (line.kind === 'uri') reader.uri(variables.uri(line), line.number)
    else if (line.name === 'EXT-X-DEFINE') variables.define(line)
    else reader.tag(line)
  }
  return reader.end()
}

/** `parsePlaylist` for who can only use segments. @throws PlaylistError also when it is a master playlist. */
export function parseMediaPlaylist(text: string, options: ParseOptions = {}): MediaPlaylist {
  const playlist = parsePlaylist(text, options)
  if (playlist.kind === 'media') return playlist
  throw new PlaylistError(1, 'a master playlist stands where a media playlist should')
}

function kindOf(lines: readonly Line[]): 'master' | 'media' {
  const first = (names: ReadonlySet<string>) => lines.find((line) => line.kind === 'tag' && names.has(line.name))
  const [master, media] = [first(MASTER_TAGS), first(MEDIA_TAGS)]
  if (master !== undefined && media !== undefined) {
    throw new PlaylistError(Math.max(master.number, media.number), 'tags of a master and of a media playlist together')
  }
  if (master === undefined && media === undefined) {
    throw new PlaylistError(1, 'neither a tag of a master playlist nor one of a media playlist')
  }
  return master === undefined ? 'media' : 'master'
}
