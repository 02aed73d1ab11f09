import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createAnalyser } from '../analyser/analyser.ts'
import type { AnalyserReport } from '../analyser/report.ts'
import { isPayloadUnitStart, PACKET_BYTES, payloadOffset, pidOf, SYNC_BYTE } from '../packet.ts'
import { HOLD_BYTES_MAX, INTAKE_BYTES_MAX } from './hold.ts'
import { makePesHeader, readPesHeader, writeTimestamp } from './pes-header.ts'
import type { PesHeader } from './pes-header.ts'
import { makeSource } from './source.fixture.ts'
import { Splicer } from './splicer.ts'
import { wrapTimestamp } from './timestamp.ts'

/** Captures that are damaged as networks and multiplexers damage them: by whole packets, and in headers. */

type Fault =
  | { readonly kind: 'lost' | 'twice' | 'swapped' | 'scrambled' | 'flagged' | 'null'; readonly at: number }
  | { readonly kind: 'byte'; readonly at: number; readonly offset: number; readonly value: number }

const { packets, tables, joinOffsets } = makeSource({
  seed: 3,
  firstDts: 2 ** 33 - 100_000,
  reordered: 2,
  audioStreams: 2,
  framesPerUnit: 4,
  hasVideoLength: true,
})
const VIDEO_PID = 0x40
const AUDIO_PID = 0x41
const COUNT = packets.length / PACKET_BYTES
/** Generated pictures have no parameter sets; where damage took the last pictures, the time that they had passes at once. */
const EXPECTED: ReadonlySet<string> = new Set(['parameter_sets_missing', 'pts_error'])
/** Sync byte to PES header: where damage does most. */
const HEADER_BYTES = 32

function damage(faults: readonly Fault[]): Buffer {
  const list = Array.from({ length: COUNT }, (_, index) =>
    Buffer.from(packets.subarray(index * PACKET_BYTES, (index + 1) * PACKET_BYTES)),
  )
  for (const fault of faults) {
    const at = fault.at % list.length
    const packet = list[at] ?? Buffer.alloc(PACKET_BYTES)
    switch (fault.kind) {
      case 'lost':
        if (list.length > 1) list.splice(at, 1)
        break
      case 'twice':
        list.splice(at, 0, Buffer.from(packet))
        break
      case 'swapped':
        list.splice(at, 1)
        list.splice(Math.min(at + 3, list.length), 0, packet)
        break
      case 'scrambled':
        packet[3] = (packet[3] ?? 0) | 0x80
        break
      case 'flagged':
        packet[1] = (packet[1] ?? 0) | 0x80
        break
      case 'null':
        packet.writeUInt16BE(0x1fff, 1)
        break
      case 'byte':
        packet[fault.offset] = fault.value
        break
      default:
        fault satisfies never
    }
  }
  return Buffer.concat(list)
}

const at = fc.nat(COUNT - 1)
const faults = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constantFrom('lost', 'twice', 'swapped', 'scrambled', 'flagged', 'null'), at }),
    fc.record({ kind: fc.constant('byte'), at, offset: fc.nat(HEADER_BYTES), value: fc.nat(255) }),
  ),
  { maxLength: 60 },
)

test('no damage makes it throw, hold more than it may, or send what is not a transport stream', () => {
  const part = fc.record({ faults, leadIn: fc.nat(300), joins: fc.array(at, { maxLength: 4 }), chunk: fc.nat(80) })
  fc.assert(
    fc.property(fc.array(part, { minLength: 1, maxLength: 4 }), (parts) => {
      const splicer = new Splicer()
      const output: Buffer[] = []
      const sink = { packets: (data: Buffer) => void output.push(Buffer.from(data)) }
      let inputBytes = 0
      for (const { faults: found, leadIn, joins, chunk } of parts) {
        const bytes = damage(found)
        // Offsets as a framer tells them that has itself been misled.
        const offsets = joins.map((packet) => packet * PACKET_BYTES).toSorted((left, right) => left - right)
        const first = (leadIn + 1 + chunk) * PACKET_BYTES
        splicer.begin(tables, sink)
        splicer.push(bytes.subarray(0, first), offsets, sink)
        splicer.push(bytes.subarray(first), joinOffsets, sink)
        assert.ok(splicer.facts.heldBytes <= HOLD_BYTES_MAX + INTAKE_BYTES_MAX)
        inputBytes += bytes.length
      }
      splicer.cut(sink)
      const sent = Buffer.concat(output)
      assert.equal(splicer.facts.heldBytes, 0)
      assert.ok(sent.length < 3 * inputBytes, `${sent.length} bytes out of ${inputBytes}`)
      assert.equal(sent.length % PACKET_BYTES, 0)
      for (let offset = 0; offset < sent.length; offset += PACKET_BYTES) assert.equal(sent[offset], SYNC_BYTE)
    }),
    { numRuns: 150 },
  )
})

/** The source after `change` has had the PES header of a unit of `pid`, of one with a DTS for video. */
function analysed(pid: number, change: (bytes: Buffer, header: PesHeader) => void): AnalyserReport {
  const bytes = Buffer.from(packets)
  const header = makePesHeader()
  let offset = 100 * PACKET_BYTES
  const isWanted = () => {
    if (pidOf(bytes, offset) !== pid || !isPayloadUnitStart(bytes, offset)) return false
    readPesHeader(bytes, payloadOffset(bytes, offset), offset + PACKET_BYTES, header)
    return pid !== VIDEO_PID || header.dtsAt >= 0
  }
  while (!isWanted()) offset += PACKET_BYTES
  change(bytes, header)
  const splicer = new Splicer()
  const analyser = createAnalyser()
  const sink = { packets: (data: Buffer) => analyser.push(data) }
  splicer.begin(tables, sink)
  splicer.push(bytes, joinOffsets, sink)
  splicer.cut(sink)
  return analyser.report()
}

test('a single damaged timestamp of the audio does not move it away from the pictures for good', () => {
  for (const aheadMs of [700, 3_000, 9_000, 60_000, -3_000]) {
    const { findings, programmes } = analysed(AUDIO_PID, (bytes, { pts, ptsAt }) => {
      writeTimestamp(bytes, ptsAt, wrapTimestamp(pts + aheadMs * 90))
    })
    const skew = programmes[0]?.skew
    assert.ok(Math.abs(skew?.minMs ?? Infinity) < 500 && Math.abs(skew?.maxMs ?? Infinity) < 500, `${aheadMs} ms`)
    const holes = findings.find(({ code, pid }) => code === 'audio_hole' && pid === 0x101)
    assert.equal(holes?.count, 1, `${aheadMs} ms`)
  }
})

test('a single picture with a DTS of seconds ago does not make the PCR run ahead of the pictures', () => {
  for (const agoMs of [1_500, 3_000, 4_900, 20_000]) {
    const { findings } = analysed(VIDEO_PID, (bytes, { dts, dtsAt }) => {
      writeTimestamp(bytes, dtsAt, wrapTimestamp(dts - agoMs * 90))
    })
    const codes = findings.map(({ code }) => code)
    assert.ok(
      !codes.includes('dts_before_pcr') && !codes.includes('pcr_repetition_error'),
      `${agoMs} ms: ${codes.join()}`,
    )
  }
})

test('whatever the damage was, the source that follows is clean', () => {
  fc.assert(
    fc.property(faults, (found) => {
      const splicer = new Splicer()
      let after: Buffer[] = []
      const sink = { packets: (data: Buffer) => void after.push(Buffer.from(data)) }
      splicer.begin(tables, sink)
      splicer.push(damage(found), joinOffsets, sink)
      splicer.cut(sink)
      after = []
      const next = makeSource({ seed: 4, firstDts: 5, audioStreams: 2, firstPid: 0x300 })
      splicer.begin(next.tables, sink)
      splicer.push(next.packets, next.joinOffsets, sink)
      splicer.cut(sink)
      const analyser = createAnalyser()
      for (const data of after) analyser.push(data)
      const { findings } = analyser.report()
      const errors = findings.filter(({ severity, code }) => severity === 'error' && !EXPECTED.has(code))
      assert.deepEqual(
        errors.map(({ code, places }) => `${code}: ${places[0]?.detail ?? ''}`),
        [],
      )
    }),
    { numRuns: 150 },
  )
})
