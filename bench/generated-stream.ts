import { AUDIO_PID, createMux, h264, VIDEO_PID } from '../src/mpegts/testing.ts'

const FRAMES_PER_SECOND = 25
const FRAME_BYTES = 40_000
/** Seconds from one keyframe of a generated stream to the next. */
export const GENERATED_GROUP_SECONDS = 2

/** A stream of H.264 and AAC, 25 frames a second, of about 8 Mbit/s. */
export function generateStream(seconds: number): Buffer {
  const mux = createMux()
  const picture = Buffer.alloc(FRAME_BYTES, 0x5a)
  const keyframe = Buffer.concat([h264.aud, h264.sps, h264.idr, picture])
  const frame = Buffer.concat([h264.aud, h264.predicted, picture])
  const sound = Buffer.alloc(1_200, 0x33)
  const parts: Buffer[] = []
  for (let index = 0; index < seconds * FRAMES_PER_SECOND; index += 1) {
    if (index % 3 === 0) parts.push(mux.tables())
    const isKeyframe = index % (GENERATED_GROUP_SECONDS * FRAMES_PER_SECOND) === 0
    const options = { pcr: index * 40 * 27_000, isRandomAccess: isKeyframe }
    parts.push(mux.pes(VIDEO_PID, isKeyframe ? keyframe : frame, options))
    parts.push(mux.pes(AUDIO_PID, sound, { streamId: 0xc0 }))
  }
  return Buffer.concat(parts)
}

/** The same bytes as sockets deliver them; the last chunk is what is left. */
export function chunksOf(stream: Buffer, chunkBytes: number): readonly Buffer[] {
  const chunks: Buffer[] = []
  for (let at = 0; at < stream.length; at += chunkBytes) chunks.push(stream.subarray(at, at + chunkBytes))
  return chunks
}
