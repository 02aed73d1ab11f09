import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { PACKET_BYTES, pidOf } from '../../src/mpegts/packet.ts'

/** One encode, made by ffmpeg, over two multiplexers. */
const run = promisify(execFile)
const TOOL_TIMEOUT_MS = 60_000
const OUTPUT_BYTES_MAX = 64 * 1024 * 1024

/** Encodes moving pictures and noise for `seconds` into the file at `path`, in a container that is not MPEG-TS. */
export async function encodeOnce(path: string, seconds: number, codecs: readonly string[]): Promise<void> {
  const video = ['-f', 'lavfi', '-i', 'testsrc2=size=320x180:rate=25']
  // A tone would repeat; noise does not.
  const audio = ['-f', 'lavfi', '-i', 'anoisesrc=sample_rate=48000:amplitude=0.1:seed=1']
  const args = [...video, ...audio, '-t', `${seconds}`, '-pix_fmt', 'yuv420p', ...codecs, '-f', 'nut', '-y', path]
  await run('ffmpeg', ['-v', 'error', '-nostdin', ...args], { timeout: TOOL_TIMEOUT_MS })
}

/** Multiplexes the encode of the file at `from` into MPEG-TS at `to`, without a change to it. */
export async function multiplex(from: string, to: string, options: readonly string[]): Promise<Buffer> {
  const args = ['-i', from, '-map', '0', '-c', 'copy', '-copyts', ...options, '-f', 'mpegts', '-y', to]
  await run('ffmpeg', ['-v', 'error', '-nostdin', ...args], { timeout: TOOL_TIMEOUT_MS })
  return readFile(to)
}

/** MD5 of each decoded frame of a kind, in order (`ffmpeg -f framemd5`). */
export async function frameHashes(path: string, kind: 'v' | 'a'): Promise<readonly string[]> {
  const passthrough = kind === 'v' ? ['-fps_mode', 'passthrough'] : []
  const args = ['-v', 'error', '-nostdin', '-i', path, '-map', `0:${kind}:0`, ...passthrough, '-f', 'framemd5', '-']
  const { stdout } = await run('ffmpeg', args, { timeout: TOOL_TIMEOUT_MS, maxBuffer: OUTPUT_BYTES_MAX })
  const rows = stdout.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return rows.map((row) => row.slice(row.lastIndexOf(',') + 1).trim())
}

/**
 * Leaves out one packet of pictures or sound in `every`, from one share of the media to another. `phase` moves the places: with two
 * that differ, no packet is lost on both.
 */
export function losePackets(bytes: Buffer, every: number, phase: number, fromShare: number, toShare = 1): Buffer {
  const kept: Buffer[] = []
  for (let at = 0, number = 0; at < bytes.length; at += PACKET_BYTES) {
    const pid = pidOf(bytes, at)
    const isMedia = (pid & 0xfe) === 0
    if (isMedia && pid !== 0) number += 1
    // A fixed distance would always hit the same part of a picture.
    const isInReach = at > bytes.length * fromShare && at < bytes.length * toShare
    const isLost = isInReach && (number * 7 + phase) % every === 0
    if (!isMedia || pid === 0 || !isLost) kept.push(bytes.subarray(at, at + PACKET_BYTES))
  }
  return Buffer.concat(kept)
}
