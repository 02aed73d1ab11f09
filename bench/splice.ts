import { createAnalyser } from '../src/mpegts/analyser/analyser.ts'
import { TsIndexer } from '../src/mpegts/indexer.ts'
import { PACKET_BYTES } from '../src/mpegts/packet.ts'
import { Packetiser } from '../src/mpegts/packetiser.ts'
import { makeSource } from '../src/mpegts/splice/source.fixture.ts'
import { Splicer } from '../src/mpegts/splice/splicer.ts'
import { markdownTable, publish } from './report.ts'
import { bestThroughput } from './throughput.ts'

/**
 * What reading and splicing cost, on one core and without I/O: MB/s of one stream, with a change of source every half
 * minute of media. Sources are synthetic, of about 8 Mbit/s: a picture is some 200 packets.
 */
const CHUNK_BYTES = 64 * 1024 - ((64 * 1024) % PACKET_BYTES)
const ROUNDS = 8
const MEGABYTE = 1_000_000
const SEED = 7
const FIRST_DTS = [0, 2_000_000_000]

const sources = FIRST_DTS.map((firstDts, index) =>
  makeSource({
    seed: SEED + index,
    firstDts,
    firstPid: 0x100 + index * 0x100,
    pictures: 750,
    pictureBytesMax: 300_000,
    reordered: 2,
    groupPictures: 49,
    hasNulls: index === 1,
  }),
)
const bytesOfAll = sources.reduce((sum, { packets }) => sum + packets.length, 0)

function measure(round: () => void): number {
  return bestThroughput(ROUNDS, bytesOfAll, round)
}

function forEachChunk(packets: Buffer, take: (chunk: Buffer, at: number) => void): void {
  for (let at = 0; at < packets.length; at += CHUNK_BYTES) take(packets.subarray(at, at + CHUNK_BYTES), at)
}

function read(index: boolean): void {
  for (const { packets } of sources) {
    const packetiser = new Packetiser()
    const indexer = new TsIndexer()
    forEachChunk(packets, (chunk) => packetiser.push(chunk, (run) => (index ? indexer.index(run) : run.length)))
  }
}

const splicer = new Splicer()
let splicedBytes = 0
const sink = { packets: (data: Buffer) => void (splicedBytes += data.length) }

function splice(): void {
  for (const { packets, tables, joinOffsets } of sources) {
    splicer.begin(tables, sink)
    forEachChunk(packets, (chunk, at) => {
      const joins = joinOffsets.filter((offset) => offset >= at && offset < at + chunk.length)
      splicer.push(
        chunk,
        joins.map((offset) => offset - at),
        sink,
      )
    })
  }
}

function analyse(): void {
  for (const { packets } of sources) {
    const analyser = createAnalyser()
    forEachChunk(packets, (chunk) => analyser.push(chunk))
  }
}

const stages: readonly (readonly [what: string, round: () => void])[] = [
  ['cutting bytes into packets', () => read(false)],
  ['the same, with finding tables and random access points', () => read(true)],
  ['the splice', splice],
  ['the analyser of `holdfast check`', analyse],
]
const rows = stages.map(([what, round]) => {
  const rate = measure(round)
  const perPacketNs = (PACKET_BYTES / rate) * (1e9 / MEGABYTE)
  return [what, `${Math.round(rate)} MB/s`, `${Math.round(perPacketNs)} ns`]
})
if (splicedBytes < 0.9 * ROUNDS * bytesOfAll) throw new Error(`only ${splicedBytes} bytes came out of the splice`)
const markdown = [
  `Two sources of ${Math.round(bytesOfAll / MEGABYTE)} MB together, in turn, ${ROUNDS} rounds, the best of them; one core.`,
  '',
  markdownTable(['what', 'throughput', 'a packet'], rows),
].join('\n')
await publish({ name: 'splice', command: 'npm run bench:splice', markdown }, process.argv.slice(2))
