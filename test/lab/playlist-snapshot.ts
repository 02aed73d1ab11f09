import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { parseMediaPlaylist } from '../../src/hls/parse-playlist.ts'
import { runTool } from './media.ts'

export type Fetch = (path: string) => Promise<{ readonly status: number; readonly body: Buffer; readonly text: string }>

export interface Decoded {
  /** Hashes of the pictures, in order. */
  readonly pictures: readonly string[]
  readonly soundFrames: number
  /** What ffmpeg had to say, warnings included. */
  readonly warnings: string
}

const FETCHABLE_ONLY = /^#EXT-X-(?:PART|PRELOAD-HINT|SERVER-CONTROL|PART-INF)/

/** Takes what a live playlist names at one moment, and lets ffmpeg play it to the end. Throws when something is not there. */
export async function decodeSnapshot(path: string, get: Fetch): Promise<Decoded> {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-snapshot-'))
  try {
    const { text } = await get(path)
    const uris = parseMediaPlaylist(text).segments.flatMap(({ uri, map }) => [
      uri,
      ...(map === undefined ? [] : [map.uri]),
    ])
    for (const uri of new Set(uris)) {
      const { status, body } = await get(uri)
      if (status !== 200) throw new Error(`${uri} is answered ${status}`)
      await mkdir(dirname(join(directory, uri)), { recursive: true })
      await writeFile(join(directory, uri), body)
    }
    const lines = text.split('\n').filter((line) => line !== '' && !FETCHABLE_ONLY.test(line))
    const playlist = join(directory, 'snapshot.m3u8')
    await writeFile(playlist, `${lines.join('\n')}\n#EXT-X-ENDLIST\n`)
    return await decode(playlist)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

async function decode(playlist: string): Promise<Decoded> {
  const input = ['-v', 'warning', '-nostdin', '-allowed_extensions', 'ALL', '-i', playlist]
  const { code, stdout, stderr } = await runTool('ffmpeg', [
    ...input,
    ...['-map', '0:v', '-map', '0:a', '-f', 'framemd5', '-'],
  ])
  if (code !== 0) throw new Error(`ffmpeg ends with ${code}: ${stderr}`)
  const frames = stdout.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  const of = (stream: string) => frames.filter((line) => line.startsWith(`${stream},`))
  return {
    pictures: of('0').map((line) => line.split(',').at(-1)?.trim() ?? ''),
    soundFrames: of('1').length,
    warnings: stderr.trim(),
  }
}
