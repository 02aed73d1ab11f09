import { PACKET_BYTES } from '../src/mpegts/packet.ts'
import { conditionFacts } from '../src/streams/detect/conditions.ts'
import { SourceMonitor } from '../src/streams/detect/monitor.ts'
import { createFramer } from '../src/streams/framing/framing.ts'
import { chunksOf, generateStream } from './generated-stream.ts'
import { bestThroughput } from './throughput.ts'

const CHUNK_BYTES = 65_536
const SECONDS = 20
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
  const stream = generateStream(SECONDS)
  const chunks = chunksOf(stream, CHUNK_BYTES - (CHUNK_BYTES % PACKET_BYTES))
  const chunkMs = (SECONDS * 1_000) / chunks.length
  let alive = 0
  const monitor = bestThroughput(ROUNDS, stream.length, () => {
    const fresh = makeMonitor()
    chunks.forEach((chunk, index) => {
      if (fresh.observe(chunk, index * chunkMs)) alive += 1
    })
  })
  const framer = bestThroughput(ROUNDS, stream.length, () => {
    const fresh = createFramer('mpegts')
    for (const chunk of chunks) fresh.push(chunk, { packets: () => {} })
  })
  const together = bestThroughput(ROUNDS, stream.length, () => {
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

function makeMonitor(): SourceMonitor {
  return new SourceMonitor({
    actionOf: (condition) => conditionFacts[condition].defaultAction,
    hasAlternative: () => true,
    bitRateFloor: undefined,
    silence: { thresholdDb: -50, holdMs: 10_000, checks: undefined },
    decoders: undefined,
  })
}
