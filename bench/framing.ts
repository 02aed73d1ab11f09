import { TsIndexer } from '../src/mpegts/indexer.ts'
import { Packetiser } from '../src/mpegts/packetiser.ts'
import { AUDIO_PID, createMux, h264, VIDEO_PID } from '../src/mpegts/testing.ts'
import { createFramer } from '../src/streams/framing/framing.ts'

/**
 * How many megabytes a second one core frames: resynchronisation alone, with the index, and all of it as a stream uses
 * it, over a generated H.264 and AAC stream of 25 frames a second at about 8 Mbit/s in chunks as sockets deliver them.
 */
const CHUNK_BYTES = 65_536
const SECONDS = 20
const FRAMES_PER_SECOND = 25
const FRAME_BYTES = 40_000
const ROUNDS = 12

function generateStream(): Buffer {
  const mux = createMux()
  const picture = Buffer.alloc(FRAME_BYTES, 0x5a)
  const keyframe = Buffer.concat([h264.aud, h264.sps, h264.idr, picture])
  const frame = Buffer.concat([h264.aud, h264.predicted, picture])
  const sound = Buffer.alloc(1_200, 0x33)
  const parts: Buffer[] = []
  for (let index = 0; index < SECONDS * FRAMES_PER_SECOND; index += 1) {
    if (index % 3 === 0) parts.push(mux.tables())
    const isKeyframe = index % (2 * FRAMES_PER_SECOND) === 0
    parts.push(
      mux.pes(VIDEO_PID, isKeyframe ? keyframe : frame, { pcr: index * 40 * 27_000, isRandomAccess: isKeyframe }),
    )
    parts.push(mux.pes(AUDIO_PID, sound, { streamId: 0xc0 }))
  }
  return Buffer.concat(parts)
}

function chunksOf(stream: Buffer): readonly Buffer[] {
  const chunks: Buffer[] = []
  for (let at = 0; at < stream.length; at += CHUNK_BYTES) chunks.push(stream.subarray(at, at + CHUNK_BYTES))
  return chunks
}

/** The best of several rounds in MB/s, so that other work on the machine counts least. */
function measure(name: string, bytes: number, round: () => void): void {
  let bestMs = Infinity
  for (let index = 0; index < ROUNDS; index += 1) {
    const startedMs = performance.now()
    round()
    bestMs = Math.min(bestMs, performance.now() - startedMs)
  }
  console.log(
    `${name.padEnd(36)} ${Math.round(bytes / bestMs / 1_000)
      .toString()
      .padStart(6)} MB/s`,
  )
}

const stream = generateStream()
const chunks = chunksOf(stream)
let joins = 0

measure('packetiser', stream.length, () => {
  const packetiser = new Packetiser()
  for (const chunk of chunks) packetiser.push(chunk, () => {})
})
measure('packetiser + indexer', stream.length, () => {
  const packetiser = new Packetiser()
  const indexer = new TsIndexer()
  for (const chunk of chunks) packetiser.push(chunk, (run) => indexer.index(run))
})
measure('framer, as a stream uses it', stream.length, () => {
  const framer = createFramer('mpegts')
  const sink = { packets: (_data: Buffer, joinOffsets: readonly number[]) => void (joins += joinOffsets.length) }
  for (const chunk of chunks) framer.push(chunk, sink)
})
const expectedJoins = (ROUNDS * SECONDS) / 2
if (joins !== expectedJoins) throw new Error(`found ${joins} join points, expected ${expectedJoins}`)
