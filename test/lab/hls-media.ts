import { execFile } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { TS_PACKET_BYTES } from './marker.ts'
import { LOOP_SECONDS, tsFixture } from './media.ts'
import { crc32, loadTsLoop } from './ts-loop.ts'
import type { TsLoop, TsLoopOptions } from './ts-loop.ts'

const run = promisify(execFile)

/** A group of pictures of the fixtures. */
const GOP_MS = 800
const TICKS_PER_MS = 90
/** The most that are kept rendered: readers ask for the newest. */
const TURNS_KEPT = 4

/** One endless rendition, cut into segments of equal duration that all begin at a keyframe. */
export interface HlsMedia {
  readonly segmentMs: number
  readonly extension: 'ts' | 'm4s' | 'aac'
  readonly contentType: string
  /** The media initialisation section of fMP4. */
  readonly init: Buffer | undefined
  /** Segment `index`, 0 and up; `dueMs` is when its first frame is due by the lab's clock. */
  segment(index: number, dueMs: number): Buffer
}

export interface HlsMediaOptions extends TsLoopOptions {
  /** 800, 1,600, 4,000 or 8,000: whole groups of pictures that divide the loop. */
  readonly segmentMs?: number
  /** Which elementary streams are in it; all by default. */
  readonly streams?: 'all' | 'video' | 'audio'
}

type Streams = NonNullable<HlsMediaOptions['streams']>

/** Segments of MPEG-TS, with the lab's marks in them. */
export async function loadTsMedia(options: HlsMediaOptions): Promise<HlsMedia> {
  const { segmentMs = 2 * GOP_MS, streams = 'all' } = options
  const segments = turnsOf(await loadTsLoop(options), segmentMs, (bytes) => onlyStreams(bytes, streams))
  return { segmentMs, extension: 'ts', contentType: 'video/mp2t', init: undefined, segment: segments }
}

/** The audio as packed AAC: each segment begins with an ID3 tag that has its timestamp (RFC 8216 §3.4). */
export async function loadPackedAudioMedia(options: HlsMediaOptions): Promise<HlsMedia> {
  const { segmentMs = 2 * GOP_MS } = options
  const segments = turnsOf(await loadTsLoop(options), segmentMs, packedAudio)
  return { segmentMs, extension: 'aac', contentType: 'audio/aac', init: undefined, segment: segments }
}

function turnsOf(loop: TsLoop, segmentMs: number, shape: (bytes: Buffer) => Buffer): HlsMedia['segment'] {
  const gops = segmentMs / GOP_MS
  const perTurn = loop.durationMs / segmentMs
  const turns = new Map<number, Buffer>()
  return (index, dueMs) => {
    const turn = Math.floor(index / perTurn)
    const place = index % perTurn
    let bytes = turns.get(turn)
    if (bytes === undefined) {
      bytes = loop.render(turn, dueMs - place * segmentMs)
      turns.set(turn, bytes)
      if (turns.size > TURNS_KEPT) turns.delete(Math.min(...turns.keys()))
    }
    const from = loop.entries[place * gops] ?? 0
    const to = loop.entries[(place + 1) * gops] ?? loop.packetCount
    return shape(bytes.subarray((place === 0 ? 0 : from) * TS_PACKET_BYTES, to * TS_PACKET_BYTES))
  }
}

const pidAt = (bytes: Buffer, at: number) => bytes.readUInt16BE(at + 1) & 0x1fff
const isStartAt = (bytes: Buffer, at: number) => ((bytes[at + 1] ?? 0) & 0x40) !== 0
const payloadOf = (bytes: Buffer, at: number) =>
  at + 4 + (((bytes[at + 3] ?? 0) & 0x20) === 0 ? 0 : 1 + (bytes[at + 4] ?? 0))
/** Stream types: H.264, and AAC in ADTS. */
const TYPE_OF = { video: 0x1b, audio: 0x0f } as const

/** Leaves the packets of the other streams out, and their entries in the PMT. */
function onlyStreams(bytes: Buffer, streams: Streams): Buffer {
  if (streams === 'all') return bytes
  const { pmtPid, pids } = tablesOf(bytes)
  const wanted = pids.get(TYPE_OF[streams])
  const packets: Buffer[] = []
  for (let at = 0; at < bytes.length; at += TS_PACKET_BYTES) {
    const pid = pidAt(bytes, at)
    const packet = bytes.subarray(at, at + TS_PACKET_BYTES)
    if (pid === pmtPid) packets.push(pmtOf(packet, streams))
    else if (pid === 0 || pid === wanted) packets.push(packet)
  }
  return Buffer.concat(packets)
}

/** On which PIDs the pictures and the sound of a segment of the lab are. */
export function streamPids(bytes: Buffer): { readonly video: number | undefined; readonly audio: number | undefined } {
  const { pids } = tablesOf(bytes)
  return { video: pids.get(TYPE_OF.video), audio: pids.get(TYPE_OF.audio) }
}

function tablesOf(bytes: Buffer): { pmtPid: number; pids: ReadonlyMap<number, number> } {
  let pmtPid = -1
  for (let at = 0; at < bytes.length; at += TS_PACKET_BYTES) {
    const pid = pidAt(bytes, at)
    if (pid === 0) pmtPid = bytes.readUInt16BE(at + 15) & 0x1fff
    if (pid === pmtPid) return { pmtPid, pids: new Map(entriesOf(bytes, at).map(({ type, pid }) => [type, pid])) }
  }
  throw new Error('a segment of the lab has no PMT')
}

/** The entries of a PMT in one packet, without a pointer. */
function entriesOf(bytes: Buffer, packetAt: number) {
  const section = packetAt + 5
  const end = section + 3 + (bytes.readUInt16BE(section + 1) & 0x0fff) - 4
  const entries: { type: number; pid: number; bytes: Buffer }[] = []
  let at = section + 12 + (bytes.readUInt16BE(section + 10) & 0x0fff)
  while (at < end) {
    const length = 5 + (bytes.readUInt16BE(at + 3) & 0x0fff)
    const type = bytes[at] ?? 0
    entries.push({ type, pid: bytes.readUInt16BE(at + 1) & 0x1fff, bytes: bytes.subarray(at, at + length) })
    at += length
  }
  return entries
}

function pmtOf(packet: Buffer, streams: 'video' | 'audio'): Buffer {
  const kept = entriesOf(packet, 0).filter(({ type }) => type === TYPE_OF[streams])
  const entries = Buffer.concat(kept.map((entry) => entry.bytes))
  const infoLength = packet.readUInt16BE(15) & 0x0fff
  const section = Buffer.concat([packet.subarray(5, 5 + 12 + infoLength), entries])
  section.writeUInt16BE(0xb000 | (section.length - 3 + 4), 1)
  // The PCR comes with this stream: that of the pictures is not in an audio rendition.
  section.writeUInt16BE(0xe000 | (kept[0]?.pid ?? 0x1fff), 8)
  const out = Buffer.alloc(TS_PACKET_BYTES, 0xff)
  packet.copy(out, 0, 0, 5)
  section.copy(out, 5)
  out.writeUInt32BE(crc32(section), 5 + section.length)
  return out
}

function packedAudio(bytes: Buffer): Buffer {
  const pid = tablesOf(bytes).pids.get(TYPE_OF.audio)
  const payloads: Buffer[] = []
  let ticks: number | undefined
  for (let at = 0; at < bytes.length; at += TS_PACKET_BYTES) {
    if (pidAt(bytes, at) !== pid || ((bytes[at + 3] ?? 0) & 0x10) === 0) continue
    let from = payloadOf(bytes, at)
    if (isStartAt(bytes, at)) {
      ticks ??= stampAt(bytes, from + 9)
      from += 9 + (bytes[from + 8] ?? 0)
    }
    payloads.push(bytes.subarray(from, at + TS_PACKET_BYTES))
  }
  return Buffer.concat([timestampTag(ticks ?? 0), ...payloads])
}

function stampAt(bytes: Buffer, at: number): number {
  return (
    (((bytes[at] ?? 0) >> 1) & 7) * 2 ** 30 +
    (bytes.readUInt16BE(at + 1) >> 1) * 2 ** 15 +
    (bytes.readUInt16BE(at + 3) >> 1)
  )
}

/** ID3v2.4 with one PRIV frame (RFC 8216 §3.4). */
function timestampTag(ticks: number): Buffer {
  const owner = Buffer.from('com.apple.streaming.transportStreamTimestamp\0', 'latin1')
  const value = Buffer.alloc(8)
  value.writeBigUInt64BE(BigInt(ticks))
  const frame = Buffer.concat([Buffer.from('PRIV\0\0\0\0\0\0', 'latin1'), owner, value])
  frame[7] = owner.length + value.length
  const header = Buffer.from('ID3\x04\0\0\0\0\0\0', 'latin1')
  header[9] = frame.length
  return Buffer.concat([header, frame])
}

/** Segments of fMP4, cut by ffmpeg out of the same loop; there are no marks in them. */
export async function loadFmp4Media(options: HlsMediaOptions): Promise<HlsMedia> {
  const { segmentMs = 2 * GOP_MS, streams = 'all', offsetTicks = 0 } = options
  const { init, segments } = await cutFmp4(await tsFixture(options), segmentMs, streams)
  const timescales = timescalesOf(init)
  const perTurn = (LOOP_SECONDS * 1_000) / segmentMs
  if (segments.length !== perTurn) throw new Error(`ffmpeg cut ${segments.length} segments instead of ${perTurn}`)
  return {
    segmentMs,
    extension: 'm4s',
    contentType: 'video/mp4',
    init,
    segment: (index) => {
      const bytes = Buffer.from(segments[index % perTurn] ?? Buffer.alloc(0))
      const shiftS = Math.floor(index / perTurn) * LOOP_SECONDS + offsetTicks / TICKS_PER_MS / 1_000
      shiftDecodeTimes(bytes, timescales, shiftS)
      return bytes
    },
  }
}

async function cutFmp4(path: string, segmentMs: number, streams: Streams) {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-fmp4-'))
  try {
    const maps = { all: ['-map', '0:v', '-map', '0:a'], video: ['-map', '0:v'], audio: ['-map', '0:a'] }[streams]
    const filter = streams === 'video' ? [] : ['-bsf:a', 'aac_adtstoasc']
    const cut = [
      '-f',
      'hls',
      '-hls_segment_type',
      'fmp4',
      '-hls_time',
      String(segmentMs / 1_000),
      '-hls_list_size',
      '0',
    ]
    await run(
      'ffmpeg',
      [
        ...['-v', 'error', '-nostdin', '-i', path, ...maps, '-c', 'copy', ...filter, ...cut],
        ...['-hls_segment_filename', join(directory, 'seg-%03d.m4s'), join(directory, 'index.m3u8')],
      ],
      { timeout: 60_000, cwd: directory },
    )
    const names = (await readdir(directory)).filter((name) => name.endsWith('.m4s'))
    const segments = await Promise.all(names.toSorted().map((name) => readFile(join(directory, name))))
    return { init: await readFile(join(directory, 'init.mp4')), segments }
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

/** Walks boxes below the containers that are named (ISO/IEC 14496-12 §4.2). */
function boxes(
  bytes: Buffer,
  containers: readonly string[],
  visit: (type: string, at: number) => void,
  from = 0,
  to = bytes.length,
): void {
  for (let at = from; at + 8 <= to;) {
    const size = bytes.readUInt32BE(at)
    const type = bytes.toString('latin1', at + 4, at + 8)
    if (size < 8) return
    visit(type, at)
    if (containers.includes(type)) boxes(bytes, containers, visit, at + 8, at + size)
    at += size
  }
}

function timescalesOf(init: Buffer): ReadonlyMap<number, number> {
  const timescales = new Map<number, number>()
  let track = 0
  boxes(init, ['moov', 'trak', 'mdia'], (type, at) => {
    const isLong = init[at + 8] === 1
    if (type === 'tkhd') track = init.readUInt32BE(at + 12 + (isLong ? 16 : 8))
    if (type === 'mdhd') timescales.set(track, init.readUInt32BE(at + 12 + (isLong ? 16 : 8)))
  })
  return timescales
}

function shiftDecodeTimes(bytes: Buffer, timescales: ReadonlyMap<number, number>, shiftS: number): void {
  let track = 0
  boxes(bytes, ['moof', 'traf'], (type, at) => {
    if (type === 'tfhd') track = bytes.readUInt32BE(at + 12)
    if (type !== 'tfdt') return
    const shift = Math.round(shiftS * (timescales.get(track) ?? 0))
    if (bytes[at + 8] === 1) bytes.writeBigUInt64BE(bytes.readBigUInt64BE(at + 12) + BigInt(shift), at + 12)
    else bytes.writeUInt32BE((bytes.readUInt32BE(at + 12) + shift) % 2 ** 32, at + 12)
  })
}
