import { id3TagBytes, readAudioFrame } from './audio-frames.ts'
import type { AudioFrame } from './audio-frames.ts'
import type { Container } from './framing.ts'

/** What the first bytes of a body are. `hls-playlist`, `html`, `text`, `image` and `empty` are never media. */
export type BodyKind = Exclude<Container, 'opaque'> | 'hls-playlist' | 'html' | 'text' | 'image' | 'empty' | 'unknown'

export interface SniffResult {
  /** `more`: too few bytes to tell; ask again with more, or take it as `not-media` when there are none. */
  readonly verdict: 'media' | 'not-media' | 'more'
  readonly kind: BodyKind
  /** How to frame it; present when the verdict is `media`. */
  readonly container: Container | undefined
  /** What it looks like and its first bytes in printable form, for people and logs. */
  readonly evidence: string
}

/** Bytes that are looked at; a body that shows nothing within them is `unknown`. */
export const SNIFF_BYTES_MAX = 65_536
/** With fewer bytes than this a body that is not recognised may still become something. */
const SNIFF_BYTES_MIN = 2_048
const EVIDENCE_BYTES = 48
const TS_SYNC = 0x47
const TS_STRIDES = [188, 192, 204] as const
/** Consecutive sync bytes that make a body MPEG-TS at its very beginning, and anywhere else. */
const TS_SYNCS_AT_START = 2
const TS_SYNCS_ANYWHERE = 5
/** Frames in a row that make a body raw audio at its beginning, and anywhere else within the bytes that are searched. */
const AUDIO_FRAMES_AT_START = 2
const AUDIO_FRAMES_ANYWHERE = 4
const AUDIO_SEARCH_BYTES = 8_192
/** Content types of containers that show themselves in their first bytes, and of playlists. */
const RECOGNISED_TYPES = /mp2t|mpegts|flv|matroska|webm|mp4|ogg|mpegurl/i
const TEXT_LOOKED_AT_BYTES = 1_024

/**
 * Decides from its first bytes what a body is. The content type is a hint only: it makes unrecognised binary bytes
 * `media` (container `opaque`) when it says audio or video, and nothing else. Never throws.
 */
export function sniff(head: Buffer, contentType: string): SniffResult {
  if (head.length === 0) return { verdict: 'more', kind: 'empty', container: undefined, evidence: 'nothing' }
  const bytes = head.length > SNIFF_BYTES_MAX ? head.subarray(0, SNIFF_BYTES_MAX) : head
  const kind = magicKind(bytes) ?? textKind(bytes) ?? tsKind(bytes) ?? audioKind(bytes) ?? 'unknown'
  const evidence = `${kind}, begins with ${printable(bytes)}`
  switch (kind) {
    case 'hls-playlist':
    case 'html':
    case 'text':
    case 'image':
    case 'empty':
      return { verdict: 'not-media', kind, container: undefined, evidence }
    case 'unknown':
      return judgeUnknown(bytes, contentType, evidence)
    default:
      return { verdict: 'media', kind, container: kind, evidence }
  }
}

function judgeUnknown(bytes: Buffer, contentType: string, evidence: string): SniffResult {
  const kind = 'unknown'
  if (bytes.length < unknownBytesMin(bytes)) return { verdict: 'more', kind, container: undefined, evidence }
  // A body that claims a container which is recognised above, and is not it, is noise.
  if (/^\s*(audio|video)\//i.test(contentType) && !RECOGNISED_TYPES.test(contentType)) {
    return { verdict: 'media', kind, container: 'opaque', evidence }
  }
  return { verdict: 'not-media', kind, container: undefined, evidence }
}

/** Behind an ID3 tag there is audio, but only then can it be told which. */
function unknownBytesMin(bytes: Buffer): number {
  return Math.min(SNIFF_BYTES_MAX, (id3TagBytes(bytes, 0) ?? 0) + SNIFF_BYTES_MIN)
}

/** Formats that say what they are in their first bytes. */
function magicKind(bytes: Buffer): BodyKind | undefined {
  if (startsWith(bytes, 0, 'FLV') && bytes[3] === 1) return 'flv'
  if (bytes.length >= 4 && bytes.readUInt32BE(0) === 0x1a45dfa3) return 'matroska'
  if (startsWith(bytes, 0, 'OggS')) return 'ogg'
  if (startsWith(bytes, 4, 'ftyp') || startsWith(bytes, 4, 'styp') || startsWith(bytes, 4, 'moof')) return 'mp4'
  if (startsWith(bytes, 0, '\x89PNG\r\n') || startsWith(bytes, 0, 'GIF8')) return 'image'
  if (startsWith(bytes, 0, '\xff\xd8\xff')) return 'image'
  if (startsWith(bytes, 0, 'RIFF') && startsWith(bytes, 8, 'WEBP')) return 'image'
  return undefined
}

function startsWith(bytes: Buffer, at: number, latin1: string): boolean {
  return bytes.length >= at + latin1.length && bytes.toString('latin1', at, at + latin1.length) === latin1
}

/** MPEG-TS may begin in the middle of a packet, or with the 4-byte prefix of a 192-byte one. */
function tsKind(bytes: Buffer): BodyKind | undefined {
  for (const stride of TS_STRIDES) {
    const start = stride === 192 ? 4 : 0
    if (hasSyncs(bytes, start, stride, TS_SYNCS_AT_START)) return 'mpegts'
    for (
      let offset = bytes.indexOf(TS_SYNC);
      offset >= 0 && offset < stride;
      offset = bytes.indexOf(TS_SYNC, offset + 1)
    ) {
      if (hasSyncs(bytes, offset, stride, TS_SYNCS_ANYWHERE)) return 'mpegts'
    }
  }
  return undefined
}

function hasSyncs(bytes: Buffer, start: number, stride: number, count: number): boolean {
  for (let index = 0; index < count; index += 1) {
    if (bytes[start + index * stride] !== TS_SYNC) return false
  }
  return true
}

/** Raw audio begins with an ID3 tag or a frame, or in the middle of one; several frames in a row make it sure. */
function audioKind(bytes: Buffer): BodyKind | undefined {
  const start = Math.min(id3TagBytes(bytes, 0) ?? 0, bytes.length)
  const end = Math.min(bytes.length, start + AUDIO_SEARCH_BYTES)
  for (let at = bytes.indexOf(0xff, start); at >= 0 && at < end; at = bytes.indexOf(0xff, at + 1)) {
    const first = readAudioFrame(bytes, at)
    const needed = at === start ? AUDIO_FRAMES_AT_START : AUDIO_FRAMES_ANYWHERE
    if (first !== undefined && hasFrames(bytes, at, first.container, needed)) return first.container
  }
  return start > 0 && start === bytes.length && bytes.length === SNIFF_BYTES_MAX ? 'mp3' : undefined
}

function hasFrames(bytes: Buffer, start: number, container: AudioFrame['container'], count: number): boolean {
  let at = start
  for (let found = 0; found < count; found += 1) {
    const frame = readAudioFrame(bytes, at)
    if (frame?.container !== container) return false
    at += frame.bytes
  }
  return true
}

/** Text is what has no control characters but white space; HTML and playlists are told apart by how they begin. */
function textKind(bytes: Buffer): BodyKind | undefined {
  const text = bytes
    .toString('latin1', 0, TEXT_LOOKED_AT_BYTES)
    .replace(/^\xef\xbb\xbf/, '')
    .trimStart()
  if (text.startsWith('#EXTM3U')) return 'hls-playlist'
  if (/^<(!doctype|html|head|body|\?xml|!--)/i.test(text)) return 'html'
  for (const byte of bytes.subarray(0, TEXT_LOOKED_AT_BYTES)) {
    if (byte < 0x20 && byte !== 0x09 && byte !== 0x0a && byte !== 0x0d) return undefined
  }
  return 'text'
}

function printable(bytes: Buffer): string {
  const text = bytes.toString('latin1', 0, EVIDENCE_BYTES).replace(/[^\x20-\x7e]/g, '.')
  return bytes.length > EVIDENCE_BYTES ? `"${text}"…` : `"${text}"`
}
