import { rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parsePlaylist } from '../../src/hls/parse-playlist.ts'
import type { MediaPlaylist } from '../../src/hls/playlist.ts'
import { runTool } from './media.ts'

/** A segment of one rendition, as an independent demultiplexer reads it. */
export interface SegmentFacts {
  readonly sequence: number
  readonly durationS: number
  readonly date: string | undefined
  readonly isDiscontinuity: boolean
  /** Presentation times of its pictures, 90 kHz, in the order in which they are decoded. */
  readonly pts: readonly number[]
  readonly beginsWithKeyframe: boolean
  readonly height: number
}

let files = 0

/** What a media playlist names: all of it fetched before it is read, which takes longer than it is kept. */
export async function segmentFacts(url: string): Promise<readonly SegmentFacts[]> {
  const playlist = await mediaPlaylist(url)
  const media: Buffer[] = []
  for (const { uri, map } of playlist.segments) {
    const init = map === undefined ? [] : [await bytesAt(new URL(map.uri, url))]
    media.push(Buffer.concat([...init, await bytesAt(new URL(uri, url))]))
  }
  const facts: SegmentFacts[] = []
  for (const [index, { durationS, isDiscontinuity, programDateTime }] of playlist.segments.entries()) {
    facts.push({
      sequence: playlist.mediaSequence + index,
      ...{ durationS, isDiscontinuity },
      date: programDateTime?.text,
      ...(await picturesOf(media[index] ?? Buffer.alloc(0))),
    })
  }
  return facts
}

/** The media playlist at an address. */
export async function mediaPlaylist(url: string): Promise<MediaPlaylist> {
  const answer = await fetch(url)
  const text = await answer.text()
  if (answer.status !== 200) throw new Error(`${url} answered ${answer.status} ${text}`)
  const playlist = parsePlaylist(text)
  if (playlist.kind !== 'media') throw new Error(`${url} is a master playlist`)
  return playlist
}

async function bytesAt(url: URL): Promise<Buffer> {
  const answer = await fetch(url)
  if (answer.status !== 200) throw new Error(`${url.href} answered ${answer.status}`)
  return Buffer.from(await answer.arrayBuffer())
}

async function picturesOf(bytes: Buffer): Promise<Pick<SegmentFacts, 'pts' | 'beginsWithKeyframe' | 'height'>> {
  files += 1
  // Of its own: segments of several renditions are read at once.
  const path = join(tmpdir(), `holdfast-lab-ladder-${process.pid}-${files}`)
  await writeFile(path, bytes)
  const entries = ['-show_entries', 'packet=pts,flags:stream=height,time_base', '-of', 'json']
  const { stdout } = await runTool('ffprobe', ['-v', 'error', '-select_streams', 'v:0', ...entries, path])
  await rm(path)
  const { packets, streams } = JSON.parse(stdout) as {
    readonly packets: readonly { readonly pts: number; readonly flags: string }[]
    readonly streams: readonly { readonly height: number; readonly time_base: string }[]
  }
  const ticks = 90_000 / Number((streams[0]?.time_base ?? '1/90000').split('/')[1])
  return {
    pts: packets.map(({ pts }) => Math.round(pts * ticks)),
    beginsWithKeyframe: packets[0]?.flags.startsWith('K') ?? false,
    height: streams[0]?.height ?? 0,
  }
}
