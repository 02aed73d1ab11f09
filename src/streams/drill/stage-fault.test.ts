import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createAnalyser } from '../../mpegts/analyser/analyser.ts'
import { PACKET_BYTES } from '../../mpegts/packet.ts'
import { programme, watch } from '../detect/programme.fixture.ts'
import type { Piece } from '../detect/programme.fixture.ts'
import { TsFramer } from '../framing/ts-framer.ts'
import { modeFacts } from './drill-mode.ts'
import type { FailureMode } from './drill-mode.ts'
import { stageFault } from './stage-fault.ts'

const SECONDS = 30
/** The fault begins in the middle of a packet. */
const CUT = 5 * PACKET_BYTES + 77
const FAULT_FROM_MS = 12_000

/** A programme as a session sees it, cut at odd places, with a fault staged after 12 s. */
function staged(mode: FailureMode): { readonly pieces: readonly Piece[]; readonly framer: TsFramer } {
  const fault = stageFault(mode)
  if (fault.kind !== 'altered') throw new Error(`${mode} changes no bytes`)
  const framer = new TsFramer()
  const pieces = programme({ seconds: SECONDS }).flatMap(({ mediaMs, packets }) => {
    const framed: Piece[] = []
    const cuts = mediaMs === FAULT_FROM_MS ? [0, CUT, packets.length] : [0, packets.length]
    for (const [index, from] of cuts.slice(0, -1).entries()) {
      const bytes = Buffer.from(packets.subarray(from, cuts[index + 1]))
      const isFaulty = mediaMs > FAULT_FROM_MS || (mediaMs === FAULT_FROM_MS && index > 0)
      framer.push(isFaulty ? fault.alter(bytes) : bytes, {
        packets: (data, joinOffsets) =>
          framed.push({ mediaMs, packets: Buffer.from(data), joinOffsets: [...joinOffsets] }),
      })
    }
    return framed
  })
  return { pieces, framer }
}

for (const mode of ['no_video', 'no_audio', 'continuity_errors', 'frozen_timestamps'] as const) {
  test(`${mode} is noticed as such, and begins without a broken packet`, () => {
    const { pieces, framer } = staged(mode)
    const { verdict } = watch(pieces)
    assert.ok(verdict !== undefined, 'nothing was noticed')
    assert.ok(modeFacts[mode].conditions.includes(verdict.condition), `${verdict.condition} was noticed`)
    assert.ok(verdict.sinceMs >= FAULT_FROM_MS - 1_000, `since ${verdict.sinceMs}`)
    assert.equal(framer.counters.skippedBytes, 0)
  })
}

test('video that is gone leaves a legal stream with its clock', () => {
  const analyser = createAnalyser()
  for (const { packets } of staged('no_video').pieces) analyser.push(packets)
  const codes = analyser.report().findings.map(({ code }) => code)
  assert.ok(!codes.includes('continuity_count_error'), codes.join())
  assert.ok(!codes.includes('pcr_repetition_error'), codes.join())
  assert.ok(!codes.includes('pcr_discontinuity_error'), codes.join())
})

test('a source that falls silent or sends a page gives no packet', () => {
  for (const mode of ['stall', 'not_media'] as const) {
    const last = staged(mode).pieces.at(-1)
    assert.ok((last?.mediaMs ?? 0) <= FAULT_FROM_MS, mode)
  }
  const fault = stageFault('not_media')
  assert.match(fault.kind === 'altered' ? fault.alter(Buffer.alloc(400)).toString() : '', /^<!DOCTYPE html>/)
})

test('packets of 192 bytes stay aligned when one is dropped', () => {
  const framer = new TsFramer()
  const fault = stageFault('no_video')
  if (fault.kind !== 'altered') throw new Error('no bytes to change')
  let count = 0
  for (const { packets } of programme({ seconds: 4 })) {
    const units: Buffer[] = []
    for (let at = 0; at < packets.length; at += PACKET_BYTES) {
      units.push(Buffer.alloc(4, count), packets.subarray(at, at + PACKET_BYTES))
    }
    framer.push(fault.alter(Buffer.concat(units)), { packets: (data) => (count += data.length / PACKET_BYTES) })
  }
  assert.ok(count > 100, `${count} packets`)
  assert.equal(framer.counters.skippedBytes, 0)
})
