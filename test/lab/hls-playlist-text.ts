import type { HlsMedia } from './hls-media.ts'

/** One rendition of an origin of the lab. */
export interface OriginRendition {
  /** In its paths; a word. */
  readonly name: string
  readonly media: HlsMedia
  /** What it is after `breakTimeline`: other timestamps, another encoding. */
  readonly mediaAfterBreak?: HlsMedia
  /** An audio rendition (EXT-X-MEDIA) of all variants; otherwise it is a variant. */
  readonly isAudio?: boolean
  readonly bandwidth?: number
  /** 320x180 and the like. */
  readonly resolution?: string
}

/** What a playlist shows at a moment. Segments are called by the number in their names, which counts on for ever. */
export interface PlaylistView {
  readonly numbers: readonly number[]
  /** How often the numbering began anew, and with which segment it did last. */
  readonly era: number
  readonly eraFrom: number
  readonly mediaSequence: number
  readonly discontinuities: readonly number[]
  readonly isEnded: boolean
  readonly isVod: boolean
  readonly wallMsOf: (number: number) => number | undefined
  readonly encryption: { readonly explicitIv: boolean; readonly keyOf: (number: number) => number } | undefined
  readonly rangeOf: (rendition: OriginRendition, number: number) => SegmentRange | undefined
  readonly extraLines: readonly string[]
}

export interface SegmentRange {
  /** Number in the name of the resource. */
  readonly resource: number
  readonly offset: number
  readonly length: number
}

/** Where a segment is when `perResource` of them are in one resource. */
export function byteRangeOf(number: number, perResource: number, bytesOf: (number: number) => Buffer): SegmentRange {
  const resource = number - (number % perResource)
  let offset = 0
  for (let each = resource; each < number; each += 1) offset += bytesOf(each).length
  return { resource, offset, length: bytesOf(number).length }
}

export function masterText(renditions: readonly OriginRendition[]): string {
  const lines = ['#EXTM3U', '#EXT-X-VERSION:6', '#EXT-X-INDEPENDENT-SEGMENTS']
  const audio = renditions.filter(({ isAudio }) => isAudio === true)
  for (const [index, { name }] of audio.entries()) {
    const isDefault = index === 0 ? 'YES' : 'NO'
    lines.push(
      `#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="aud",NAME="${name}",LANGUAGE="en",DEFAULT=${isDefault},AUTOSELECT=YES,URI="${name}/index.m3u8"`,
    )
  }
  for (const { name, bandwidth = 800_000, resolution = '320x180', isAudio } of renditions) {
    if (isAudio === true) continue
    const group = audio.length === 0 ? '' : ',AUDIO="aud"'
    lines.push(
      `#EXT-X-STREAM-INF:BANDWIDTH=${bandwidth},RESOLUTION=${resolution},CODECS="avc1.42c00d,mp4a.40.2"${group}`,
      `${name}/index.m3u8`,
    )
  }
  return `${lines.join('\n')}\n`
}

export function mediaText(rendition: OriginRendition, view: PlaylistView): string {
  const { media } = rendition
  const seconds = media.segmentMs / 1_000
  const first = view.numbers[0] ?? 0
  const lines = [
    '#EXTM3U',
    `#EXT-X-VERSION:${media.init === undefined ? 4 : 7}`,
    `#EXT-X-TARGETDURATION:${Math.ceil(seconds)}`,
    `#EXT-X-MEDIA-SEQUENCE:${view.mediaSequence}`,
    `#EXT-X-DISCONTINUITY-SEQUENCE:${view.discontinuities.filter((number) => number < first).length}`,
    ...(view.isVod ? ['#EXT-X-PLAYLIST-TYPE:VOD'] : []),
    ...view.extraLines,
    ...(media.init === undefined ? [] : ['#EXT-X-MAP:URI="init.mp4"']),
  ]
  let key = ''
  for (const number of view.numbers) {
    if (view.discontinuities.includes(number)) lines.push('#EXT-X-DISCONTINUITY')
    const keyLine = keyLineOf(view, number)
    if (keyLine !== key) lines.push(keyLine)
    key = keyLine
    const wallMs = view.wallMsOf(number)
    if (wallMs !== undefined) lines.push(`#EXT-X-PROGRAM-DATE-TIME:${new Date(wallMs).toISOString()}`)
    lines.push(`#EXTINF:${seconds.toFixed(3)},`)
    const range = view.rangeOf(rendition, number)
    if (range !== undefined) lines.push(`#EXT-X-BYTERANGE:${range.length}@${range.offset}`)
    const era = view.era === 0 ? '' : `era${view.era}-`
    lines.push(`seg-${era}${range?.resource ?? number}.${media.extension}`)
  }
  if (view.isEnded) lines.push('#EXT-X-ENDLIST')
  return `${lines.join('\n')}\n`
}

function keyLineOf({ encryption }: PlaylistView, number: number): string {
  if (encryption === undefined) return ''
  const uri = `../key-${encryption.keyOf(number)}.key`
  const iv = encryption.explicitIv ? `,IV=0x${(number + 1_000_000).toString(16).padStart(32, '0')}` : ''
  return `#EXT-X-KEY:METHOD=AES-128,URI="${uri}"${iv}`
}
