import assert from 'node:assert/strict'
import { test } from 'node:test'
import { buildStream } from '../../mpegts/analyser/stream-builder.fixture.ts'
import { PACKET_BYTES, pidOf } from '../../mpegts/packet.ts'
import { FIXTURE_MS, fixtureBytes, fixtureSlate } from './slate.fixture.ts'
import { loopTicksOf, readSlate } from './slate.ts'

test('a slate knows its tables, its join points, its tracks and how long a loop is', () => {
  const slate = fixtureSlate()
  assert.equal(slate.durationMs, FIXTURE_MS)
  assert.equal(pidOf(slate.tables, 0), 0)
  assert.equal(slate.joinOffsets.length, 2)
  assert.deepEqual(
    slate.tracks.map(({ kind, unitTicks }) => [kind, unitTicks]),
    [
      ['video', 3_600],
      ['audio', 3_840],
    ],
  )
  const [video] = slate.tracks
  assert.equal(video === undefined ? 0 : loopTicksOf(video), 180_000)
  assert.deepEqual(
    video?.units.flatMap(({ isKey }, index) => (isKey ? [index] : [])),
    [0, 25],
  )
  const packets = slate.tracks.flatMap(({ units }) => units.flatMap((unit) => unit.packets))
  const media = Array.from({ length: fixtureBytes.length / PACKET_BYTES }, (_, index) => index * PACKET_BYTES)
  const isMedia = (at: number) => slate.tracks.some(({ pid }) => pid === pidOf(fixtureBytes, at))
  assert.deepEqual(
    packets.toSorted((left, right) => left - right),
    media.filter(isMedia),
  )
})

test('what cannot be played in a loop is no slate', () => {
  const wrongSync = Buffer.from(fixtureBytes)
  wrongSync[PACKET_BYTES * 9] = 0x48
  const packets = Array.from({ length: fixtureBytes.length / PACKET_BYTES }, (_, index) =>
    fixtureBytes.subarray(index * PACKET_BYTES, (index + 1) * PACKET_BYTES),
  )
  const mediaOnly = Buffer.concat(packets.filter((packet) => pidOf(packet, 0) !== 0))
  const broken: Readonly<Record<string, Buffer>> = {
    'nothing at all': Buffer.alloc(0),
    'a part of a packet': fixtureBytes.subarray(0, -1),
    'a wrong sync byte': wrongSync,
    'no tables': mediaOnly,
    'one picture': fixtureBytes.subarray(0, PACKET_BYTES * 3),
    'a begin with no key picture': Buffer.concat(buildStream({ frames: 20, firstPicture: 5 })),
    'an error message': Buffer.alloc(PACKET_BYTES, 'Unknown encoder'),
  }
  for (const [what, bytes] of Object.entries(broken)) {
    assert.equal(readSlate(bytes), undefined, what)
  }
})
