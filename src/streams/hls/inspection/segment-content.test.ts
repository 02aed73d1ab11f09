import assert from 'node:assert/strict'
import { test } from 'node:test'
import { numbers, writeBox, writeFullBox } from '../../../isobmff/box.ts'
import { contentOf } from './segment-content.ts'
import { spanMs } from './segment-facts.ts'
import { asFmp4, contentOfFmp4, factsIn, madeSegment } from './segments.fixture.ts'

/** What is read out of a segment, in either container. */

const FRAME_MS = 45

function near(actual: number, expected: number, offMs = FRAME_MS): void {
  assert.ok(Math.abs(actual - expected) <= offMs, `${actual} is not ${expected}`)
}

test('MPEG-TS: how long pictures and sound last, whatever their order and lead', () => {
  const facts = factsIn(contentOf(madeSegment({ index: 3 }), undefined))
  assert.equal(facts.format, 'mpegts')
  near((facts.video?.endMs ?? 0) - (facts.video?.startMs ?? 0), 2_000)
  near((facts.audio?.endMs ?? 0) - (facts.audio?.startMs ?? 0), 2_000)
  near(spanMs(facts), 2_085)
  near(facts.video?.longestIntervalMs ?? 0, 40, 1)
  assert.equal(facts.isCutOff, false)
  assert.equal(facts.unreadableShare, 0)
  assert.equal(facts.continuityErrors, 0)
  assert.equal(facts.signature, 'aac+h264')
  assert.equal(facts.pictures.length, 50)
  assert.deepEqual(
    facts.pictures.flatMap(({ isKeyframe }, at) => (isKeyframe ? [at] : [])),
    [0],
  )
})

test('fragmented MP4 tells the same of the same programme', () => {
  const facts = factsIn(contentOfFmp4(asFmp4(madeSegment({ index: 3 }))))
  assert.equal(facts.format, 'fmp4')
  near((facts.video?.endMs ?? 0) - (facts.video?.startMs ?? 0), 2_000)
  near((facts.audio?.endMs ?? 0) - (facts.audio?.startMs ?? 0), 2_000)
  assert.ok(facts.listsVideo && facts.listsAudio)
  assert.equal(facts.isCutOff, false)
  assert.ok(facts.pictures.length >= 48)
})

test('half of a segment ends within a packet or a box, and lasts half as long', () => {
  const whole = madeSegment({ index: 0 })
  const half = factsIn(contentOf(whole.subarray(0, Math.floor(whole.length / 2) + 1), undefined))
  assert.ok(half.isCutOff)
  near(spanMs(half), 1_040, 200)
  // Between two packets too, within a frame of sound, which says how long it is.
  const cuts = Array.from({ length: 60 }, (_, at) => 188 * (Math.floor(whole.length / 376) + at))
  const told = cuts.filter((at) => factsIn(contentOf(whole.subarray(0, at), undefined)).isCutOff)
  assert.ok(told.length > 20, `${told.length} of ${cuts.length}`)
  const { map, segment } = asFmp4(whole)
  const part = factsIn(contentOfFmp4({ map, segment: segment.subarray(0, Math.floor(segment.length / 2)) }))
  assert.ok(part.isCutOff)
  assert.ok(spanMs(part) < 1_500, `${spanMs(part)} ms`)
})

test('a few bytes that claim millions of samples are not believed', () => {
  const { map, segment } = asFmp4(madeSegment({ index: 3 }))
  const claim = (samples: number): Buffer => {
    const header = writeFullBox('tfhd', 0, 0x10, numbers([4, 1], [4, 1]))
    return writeBox('moof', writeBox('traf', header, writeFullBox('trun', 0, 0, numbers([4, samples]))))
  }
  const withClaims = (...claims: readonly Buffer[]) =>
    contentOfFmp4({ map, segment: Buffer.concat([segment, ...claims]) })
  assert.equal(withClaims(claim(10)).kind, 'facts')
  assert.deepEqual(withClaims(...Array.from({ length: 2_000 }, () => claim(100_000))), { kind: 'unknown' })
})

test('a timestamp that wraps within a segment is no jump', () => {
  const facts = factsIn(contentOf(madeSegment({ index: 0, base: 2 ** 33 - 90_000 }), undefined))
  near(spanMs(facts), 2_085)
  assert.equal(facts.jumps, 0)
})

test('packets that are none are counted, and a transport stream behind something else is found', () => {
  const whole = madeSegment({ index: 0 })
  const disguised = Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n and more of it', 'latin1'), whole])
  const facts = factsIn(contentOf(disguised, undefined))
  near(spanMs(facts), 2_085)
  assert.ok(facts.unreadableShare > 0 && facts.unreadableShare < 0.01)
  const noise = Buffer.alloc(200_000, 0xa5)
  assert.equal(contentOf(noise, undefined).kind, 'none')
  assert.equal(contentOf(Buffer.concat([whole, noise, noise]), undefined).kind, 'none')
})

test('scrambled packets are told from clear ones', () => {
  const bytes = Buffer.from(madeSegment({ index: 0 }))
  for (let at = 0; at < bytes.length; at += 188) {
    const pid = bytes.readUInt16BE(at + 1) & 0x1fff
    if (pid !== 0 && pid !== 0x1000) bytes[at + 3] = (bytes[at + 3] ?? 0) | 0x80
  }
  const facts = factsIn(contentOf(bytes, undefined))
  assert.ok(facts.scrambledShare > 0.9, String(facts.scrambledShare))
  assert.equal(facts.video, undefined)
})

test('of text, packed audio and what cannot be read, nothing is said', () => {
  assert.equal(contentOf(Buffer.from('WEBVTT\n\n00:00.000 --> 00:01.000\nHello'), undefined).kind, 'unknown')
  assert.equal(contentOf(Buffer.from('\uFEFFWEBVTT\n\n'), undefined).kind, 'unknown')
  assert.equal(contentOf(Buffer.from('<tt xmlns="http://www.w3.org/ns/ttml"/>'), undefined).kind, 'unknown')
  assert.equal(contentOf(Buffer.from('ID3\x04\0\0\0\0\0\0', 'latin1'), undefined).kind, 'unknown')
  assert.equal(contentOf(Buffer.from([0xff, 0xf1, 0x50, 0x80, 0, 0, 0]), undefined).kind, 'unknown')
  const { segment } = asFmp4(madeSegment({ index: 0 }))
  assert.equal(contentOf(segment, []).kind, 'unknown')
})

test('an empty or tiny segment is read without a defect', () => {
  for (const length of [0, 1, 7, 100, 187, 188, 189]) {
    const bytes = madeSegment({ index: 0 }).subarray(0, length)
    assert.ok(['none', 'facts', 'unknown'].includes(contentOf(bytes, undefined).kind))
  }
})

test('damage of any kind makes no defect of the gateway', () => {
  const { map, segment } = asFmp4(madeSegment({ index: 0, durationS: 1 }))
  const sources = [madeSegment({ index: 0, durationS: 1 }), segment]
  let state = 7
  const next = (below: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    return state % below
  }
  for (let round = 0; round < 300; round += 1) {
    for (const [which, source] of sources.entries()) {
      const bytes = Buffer.from(source)
      for (let count = 0; count < 1 + next(40); count += 1) bytes[next(bytes.length)] = next(256)
      const cut = bytes.subarray(0, next(bytes.length + 1))
      const content = which === 0 ? contentOf(cut, undefined) : contentOfFmp4({ map, segment: cut })
      if (content.kind === 'facts') assert.ok(Number.isFinite(spanMs(content.facts)), `round ${round}`)
    }
  }
})
