import { seededRandom } from '../src/lib/random.ts'
import { PACKET_BYTES } from '../src/mpegts/packet.ts'
import { makeSource } from '../src/mpegts/splice/source.fixture.ts'
import { Splicer } from '../src/mpegts/splice/splicer.ts'

/**
 * What the splice costs, on one core and without I/O: MB/s through one Splicer, with a change of source every few
 * seconds of media. Sources are synthetic; a picture is about 40 packets at 8 Mbit/s.
 */
const CHUNK_BYTES = 64 * 1024 - ((64 * 1024) % PACKET_BYTES)
const ROUNDS = 40
const MEGABYTE = 1_000_000

const seed = 7
const random = seededRandom(seed)
const sources = [0, 1].map((index) =>
  makeSource({
    seed: seed + index,
    firstDts: Math.floor(random.next() * 2 ** 32),
    firstPid: 0x100 + index * 0x100,
    pictures: 1_500,
    pictureBytesMax: 14_000,
    reordered: 2,
    groupPictures: 49,
    hasNulls: index === 1,
  }),
)

let outputBytes = 0
const sink = {
  packets: (data: Buffer) => {
    outputBytes += data.length
  },
}

function passAll(splicer: Splicer): number {
  let bytes = 0
  for (const source of sources) {
    splicer.begin(source.tables, sink)
    const begin = source.joinOffsets[0] ?? 0
    for (let at = begin; at < source.packets.length; at += CHUNK_BYTES) {
      const end = Math.min(at + CHUNK_BYTES, source.packets.length)
      const joins = source.joinOffsets.filter((offset) => offset >= at && offset < end).map((offset) => offset - at)
      splicer.push(source.packets.subarray(at, end), joins, sink)
    }
    bytes += source.packets.length - begin
  }
  return bytes
}

const splicer = new Splicer()
passAll(splicer)
const heapBefore = process.memoryUsage().heapUsed
const begunMs = performance.now()
let inputBytes = 0
for (let round = 0; round < ROUNDS; round += 1) inputBytes += passAll(splicer)
const seconds = (performance.now() - begunMs) / 1_000
const row = {
  'MB in': Math.round(inputBytes / MEGABYTE),
  'MB/s': Math.round(inputBytes / MEGABYTE / seconds),
  'ns per packet': Math.round((seconds * 1e9) / (inputBytes / PACKET_BYTES)),
  joins: splicer.facts.joins,
  'heap growth MB': Math.round((process.memoryUsage().heapUsed - heapBefore) / MEGABYTE),
}
process.stdout.write(`${JSON.stringify(row)}\n`)
