import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createAnalyser } from '../analyser/analyser.ts'
import { hasDiscontinuityIndicator, hasPcr, PACKET_BYTES, pcrOf, pidOf } from '../packet.ts'
import { adtsFrame, h264Unit } from './elementary.fixture.ts'
import { TsWriter } from './ts-writer.ts'

function findings(ts: Buffer): readonly string[] {
  const analyser = createAnalyser()
  analyser.push(ts)
  return analyser.report().findings.map(({ code, places }) => `${code}: ${places[0]?.detail ?? ''}`)
}

/** Pictures of 25 a second with two audio frames for each, in the order of their times. */
function write(writer: TsWriter, startDts: number, pictures: number): Buffer {
  const parts: Buffer[] = []
  for (let picture = 0; picture < pictures; picture += 1) {
    const dts = startDts + picture * 3_600
    const isRandomAccess = picture % 25 === 0
    const data = h264Unit(isRandomAccess, picture & 0x7f, isRandomAccess ? 60_000 : 3_000)
    parts.push(writer.write(0, { pts: dts + 3_600, dts, isRandomAccess, data }))
    for (const offset of [600, 2_520]) {
      const pts = dts + offset
      parts.push(writer.write(1, { pts, dts: pts, isRandomAccess: true, data: adtsFrame(picture & 0x7f) }))
    }
  }
  return Buffer.concat(parts)
}

test('the analyser finds nothing, over the wrap of the clock', () => {
  const writer = new TsWriter()
  writer.setStreams([{ codec: 'h264' }, { codec: 'aac', language: 'deu' }])
  const ts = write(writer, 2 ** 33 - 5 * 90_000, 250)
  assert.deepEqual(
    findings(ts).filter((finding) => !finding.startsWith('audio_')),
    [],
  )
})

test('pictures that are further apart than a PCR may be get PCRs between them', () => {
  const writer = new TsWriter()
  writer.setStreams([{ codec: 'h264' }])
  const units = Array.from({ length: 20 }, (_, index) => {
    const dts = 90_000 + index * 45_000
    return writer.write(0, { pts: dts, dts, isRandomAccess: index === 0, data: h264Unit(index === 0, index) })
  })
  const ts = Buffer.concat(units)
  const pcrs: number[] = []
  for (let at = 0; at < ts.length; at += PACKET_BYTES) if (hasPcr(ts, at)) pcrs.push(pcrOf(ts, at))
  const steps = pcrs.slice(1).map((pcr, index) => (pcr - (pcrs[index] ?? 0)) / 27_000)
  assert.ok(Math.max(...steps) <= 40 && Math.min(...steps) > 0, `${Math.min(...steps)} to ${Math.max(...steps)} ms`)
})

test('another timeline is announced with its first PCR, and only there', () => {
  const writer = new TsWriter()
  writer.setStreams([{ codec: 'h264' }, { codec: 'aac' }])
  const first = write(writer, 900_000, 30)
  writer.startTimeline()
  const second = write(writer, 500, 30)
  const announced = (ts: Buffer) => {
    const packets = Array.from({ length: ts.length / PACKET_BYTES }, (_, index) => index * PACKET_BYTES)
    return packets.filter((at) => hasDiscontinuityIndicator(ts, at)).map((at) => [pidOf(ts, at), hasPcr(ts, at)])
  }
  assert.deepEqual(announced(first), [])
  assert.deepEqual(announced(second), [[0x100, true]])
})

test('a codec without a place is refused by name', () => {
  assert.throws(() => new TsWriter().setStreams([{ codec: 'vc1' }]), new RangeError('vc1 is not written to MPEG-TS'))
})
