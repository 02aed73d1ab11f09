import { AUDIO_PID, createMux, h264, VIDEO_PID } from '../src/mpegts/testing.ts'
import { conditionFacts } from '../src/streams/detect/conditions.ts'
import { SourceMonitor } from '../src/streams/detect/monitor.ts'
import { createFramer } from '../src/streams/framing/framing.ts'

/**
 * How many megabytes a second one core looks through for the conditions of a source, alone and behind the framer as a
 * session uses it, over a generated stream of about 8 Mbit/s in chunks as sockets deliver them.
 */
const CHUNK_BYTES = 65_536
const SECONDS = 20
const FRAMES_PER_SECOND = 25
const FRAME_BYTES = 40_000
const ROUNDS = 15

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

/** The best of several rounds in MB/s, so that other work on the machine counts least. */
function measure(name: string, bytes: number, round: () => void): void {
  let bestMs = Infinity
  for (let index = 0; index < ROUNDS; index += 1) {
    const startedMs = performance.now()
    round()
    bestMs = Math.min(bestMs, performance.now() - startedMs)
  }
  console.log(`${name.padEnd(36)} ${String(Math.round(bytes / bestMs / 1_000)).padStart(6)} MB/s`)
}

const stream = generateStream()
const chunks: Buffer[] = []
const runBytes = CHUNK_BYTES - (CHUNK_BYTES % 188)
for (let at = 0; at < stream.length; at += runBytes) chunks.push(stream.subarray(at, at + runBytes))
const chunkMs = (SECONDS * 1_000) / chunks.length
let alive = 0

measure('monitor', stream.length, () => {
  const monitor = makeMonitor()
  chunks.forEach((chunk, index) => {
    if (monitor.observe(chunk, index * chunkMs)) alive += 1
  })
})
measure('framer', stream.length, () => {
  const framer = createFramer('mpegts')
  for (const chunk of chunks) framer.push(chunk, { packets: () => {} })
})
measure('framer + monitor, as a session does', stream.length, () => {
  const framer = createFramer('mpegts')
  const monitor = makeMonitor()
  let index = 0
  const sink = {
    packets: (data: Buffer, joinOffsets: readonly number[]) => void monitor.observe(data, index * chunkMs, joinOffsets),
  }
  for (const chunk of chunks) {
    index += 1
    framer.push(chunk, sink)
  }
})
if (alive !== ROUNDS * chunks.length) throw new Error(`${alive} runs with media, expected ${ROUNDS * chunks.length}`)
