import { AUDIO_PID, createMux, h264, VIDEO_PID } from '../src/mpegts/testing.ts'
import { conditionFacts } from '../src/streams/detect/conditions.ts'
import { SourceMonitor } from '../src/streams/detect/monitor.ts'
import { createFramer } from '../src/streams/framing/framing.ts'

const CHUNK_BYTES = 65_536
const SECONDS = 20
const FRAMES_PER_SECOND = 25
const FRAME_BYTES = 40_000
const ROUNDS = 15

/** Megabytes a second that one core looks through. */
export interface Throughput {
  readonly monitor: number
  readonly framer: number
  /** Both, as a session has them. */
  readonly together: number
}

/**
 * Measures it over a generated stream of about 8 Mbit/s in chunks as sockets deliver them: without decoding, the best of
 * several rounds, so that other work on the machine counts least.
 */
export function measureThroughput(): Throughput {
  const stream = generateStream()
  const chunks: Buffer[] = []
  const runBytes = CHUNK_BYTES - (CHUNK_BYTES % 188)
  for (let at = 0; at < stream.length; at += runBytes) chunks.push(stream.subarray(at, at + runBytes))
  const chunkMs = (SECONDS * 1_000) / chunks.length
  let alive = 0
  const monitor = best(stream.length, () => {
    const fresh = makeMonitor()
    chunks.forEach((chunk, index) => {
      if (fresh.observe(chunk, index * chunkMs)) alive += 1
    })
  })
  const framer = best(stream.length, () => {
    const fresh = createFramer('mpegts')
    for (const chunk of chunks) fresh.push(chunk, { packets: () => {} })
  })
  const together = best(stream.length, () => {
    const [freshFramer, freshMonitor] = [createFramer('mpegts'), makeMonitor()]
    let index = 0
    const sink = {
      packets: (data: Buffer, joinOffsets: readonly number[]) =>
        void freshMonitor.observe(data, index * chunkMs, joinOffsets),
    }
    for (const chunk of chunks) {
      index += 1
      freshFramer.push(chunk, sink)
    }
  })
  if (alive !== ROUNDS * chunks.length) throw new Error(`${alive} runs with media, expected ${ROUNDS * chunks.length}`)
  return { monitor, framer, together }
}

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
    const options = { pcr: index * 40 * 27_000, isRandomAccess: isKeyframe }
    parts.push(mux.pes(VIDEO_PID, isKeyframe ? keyframe : frame, options))
    parts.push(mux.pes(AUDIO_PID, sound, { streamId: 0xc0 }))
  }
  return Buffer.concat(parts)
}

function makeMonitor(): SourceMonitor {
  return new SourceMonitor({
    actionOf: (condition) => conditionFacts[condition].defaultAction,
    hasAlternative: () => true,
    bitRateFloor: undefined,
    silence: { thresholdDb: -50, holdMs: 10_000, checks: undefined },
    decoders: undefined,
  })
}

function best(bytes: number, round: () => void): number {
  let bestMs = Infinity
  for (let index = 0; index < ROUNDS; index += 1) {
    const startedMs = performance.now()
    round()
    bestMs = Math.min(bestMs, performance.now() - startedMs)
  }
  return bytes / bestMs / 1_000
}
