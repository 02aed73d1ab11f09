import { TsIndexer } from '../src/mpegts/indexer.ts'
import { Packetiser } from '../src/mpegts/packetiser.ts'
import { createFramer } from '../src/streams/framing/framing.ts'
import { chunksOf, GENERATED_GROUP_SECONDS, generateStream } from './generated-stream.ts'
import { bestThroughput } from './throughput.ts'

/**
 * How many megabytes a second one core frames: resynchronisation alone, with the index, and all of it as a stream uses
 * it, over a generated H.264 and AAC stream of 25 frames a second at about 8 Mbit/s in chunks as sockets deliver them.
 */
const CHUNK_BYTES = 65_536
const SECONDS = 20
const ROUNDS = 12

function measure(name: string, round: () => void): void {
  const megabytes = Math.round(bestThroughput(ROUNDS, stream.length, round))
  console.log(`${name.padEnd(36)} ${megabytes.toString().padStart(6)} MB/s`)
}

const stream = generateStream(SECONDS)
const chunks = chunksOf(stream, CHUNK_BYTES)
let joins = 0

measure('packetiser', () => {
  const packetiser = new Packetiser()
  for (const chunk of chunks) packetiser.push(chunk, () => {})
})
measure('packetiser + indexer', () => {
  const packetiser = new Packetiser()
  const indexer = new TsIndexer()
  for (const chunk of chunks) packetiser.push(chunk, (run) => indexer.index(run))
})
measure('framer, as a stream uses it', () => {
  const framer = createFramer('mpegts')
  const sink = { packets: (_data: Buffer, joinOffsets: readonly number[]) => void (joins += joinOffsets.length) }
  for (const chunk of chunks) framer.push(chunk, sink)
})
const expectedJoins = (ROUNDS * SECONDS) / GENERATED_GROUP_SECONDS
if (joins !== expectedJoins) throw new Error(`found ${joins} join points, expected ${expectedJoins}`)
