import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createSimulatedClock } from '../../lib/simulated-clock.ts'
import { createAnalyser } from '../../mpegts/analyser/analyser.ts'
import { adtsFrame, AUDIO_PID, pesPacket, VIDEO_PID } from '../../mpegts/analyser/stream-builder.fixture.ts'
import { isPayloadUnitStart, PACKET_BYTES, payloadOffset, pidOf } from '../../mpegts/packet.ts'
import { makePesHeader, readPesHeader } from '../../mpegts/splice/pes-header.ts'
import { timestampStep } from '../../mpegts/splice/timestamp.ts'
import { createMux, STREAM_TYPE_AAC } from '../../mpegts/testing.ts'
import { fixtureBytes, fixtureSlate } from './slate.fixture.ts'
import { LoopReader } from './loop-reader.ts'
import { readSlate } from './slate.ts'
import type { Slate } from './slate.ts'
import { SlatePlayer } from './slate-player.ts'

/** A byte that the fixture has nowhere else at the end of a packet. */
const MARK = 0x99

/** DTS of the units of a PID, 90 kHz. */
function dtsOf(packets: Buffer, pid: number): readonly number[] {
  const header = makePesHeader()
  const found: number[] = []
  for (let at = 0; at < packets.length; at += PACKET_BYTES) {
    if (pidOf(packets, at) !== pid || !isPayloadUnitStart(packets, at)) continue
    readPesHeader(packets, payloadOffset(packets, at), at + PACKET_BYTES, header)
    found.push(header.dts)
  }
  return found
}

function stepsOf(values: readonly number[]): readonly number[] {
  return values.slice(1).map((value, index) => timestampStep(value, values[index] ?? 0))
}

function play(slate: Slate = fixtureSlate()) {
  const clock = createSimulatedClock()
  const parts: Buffer[] = []
  const joins: number[] = []
  let bytes = 0
  const player = new SlatePlayer({
    slate,
    clock,
    listener: {
      media: (data, joinOffsets) => {
        joins.push(...joinOffsets.map((offset) => bytes + offset))
        parts.push(Buffer.from(data))
        bytes += data.length
      },
    },
  })
  const all = () => Buffer.concat(parts)
  const pictures = () => dtsOf(all(), VIDEO_PID).length
  return { clock, player, joins, all, pictures }
}

test('pictures and sound go on over many loops without a step, a hole or an overlap', () => {
  const output = new LoopReader(fixtureSlate()).readUntil(20.5 * 90_000)
  const pictures = dtsOf(output, VIDEO_PID)
  assert.equal(pictures.length, 513)
  assert.deepEqual(new Set(stepsOf(pictures)), new Set([3_600]))
  const sound = dtsOf(output, AUDIO_PID)
  assert.deepEqual(new Set(stepsOf(sound)), new Set([3_840]))
  const apart = timestampStep(sound.at(-1) ?? 0, pictures.at(-1) ?? 0)
  assert.ok(Math.abs(apart) <= 3_840, `sound is ${apart} ticks from the pictures`)
})

test('the sound of each loop begins within half a frame of its pictures', () => {
  const bytes = Buffer.from(fixtureBytes)
  const [, audio] = fixtureSlate().tracks
  bytes[(audio?.units[0]?.packets[0] ?? 0) + PACKET_BYTES - 1] = MARK
  const slate = readSlate(bytes)
  assert.ok(slate !== undefined)
  const output = new LoopReader(slate).readUntil(39.9 * 90_000)
  const begins = Array.from({ length: output.length / PACKET_BYTES }, (_, index) => index * PACKET_BYTES)
    .filter((at) => pidOf(output, at) === AUDIO_PID && output[at + PACKET_BYTES - 1] === MARK)
    .flatMap((at) => dtsOf(output.subarray(at, at + PACKET_BYTES), AUDIO_PID))
  const [origin = 0] = dtsOf(output, VIDEO_PID)
  assert.equal(begins.length, 20)
  for (const [loop, dts] of begins.entries()) {
    const late = timestampStep(dts, origin + loop * 180_000)
    assert.ok(Math.abs(late) <= 1_920, `loop ${loop} begins ${late} ticks late`)
  }
})

test('the analyser finds nothing wrong in many loops, counters and tables included', () => {
  const analyser = createAnalyser()
  const output = new LoopReader(fixtureSlate()).readUntil(30 * 90_000)
  analyser.push(output)
  const { findings } = analyser.report()
  const errors = findings.filter(({ severity }) => severity === 'error')
  assert.deepEqual(
    errors.map(({ code, pid, places }) => `${code} ${pid} ${places[0]?.detail}`),
    [],
  )
})

test('a slate of sound alone goes on exactly', () => {
  const programme = {
    programmeNumber: 1,
    pmtPid: 0x1000,
    pcrPid: AUDIO_PID,
    streams: [{ pid: AUDIO_PID, streamType: STREAM_TYPE_AAC }],
  }
  const mux = createMux([programme])
  const units = Array.from({ length: 50 }, (_, index) => {
    const pts = 90_000 + index * 2_089.8
    const payload = pesPacket(0xc0, adtsFrame(40), Math.round(pts))
    return mux.packet({ pid: AUDIO_PID, payload, isStart: true, pcr: Math.round(pts - 4_500) * 300 })
  })
  const slate = readSlate(Buffer.concat([mux.tables(), ...units]))
  assert.ok(slate !== undefined)
  const steps = stepsOf(dtsOf(new LoopReader(slate).readUntil(60 * 90_000), AUDIO_PID))
  assert.ok(steps.length > 2_500)
  assert.ok(
    Math.min(...steps) >= 2_089 && Math.max(...steps) <= 2_091,
    `${Math.min(...steps)} to ${Math.max(...steps)}`,
  )
})

test('it begins at once with a picture that can be decoded, behind the tables, and a second of media', () => {
  const { player, joins, all, pictures } = play()
  player.open()
  assert.equal(pictures(), 25)
  const [join = -1] = joins
  assert.equal(pidOf(all(), join), VIDEO_PID)
  assert.equal(dtsOf(all().subarray(0, join), VIDEO_PID).length, 0)
  assert.ok(player.framer.preamble().length >= 2 * PACKET_BYTES)
  assert.equal(player.framer.mediaSeen, true)
})

test('sound of the second before the first picture comes first, for a splice to fill a hole with', () => {
  const { player, joins, all } = play()
  player.open()
  const before = dtsOf(all().subarray(0, joins[0]), AUDIO_PID)
  const [picture = 0] = dtsOf(all(), VIDEO_PID)
  assert.ok(timestampStep(picture, before[0] ?? 0) >= 90_000)
})

test('it plays in real time, for longer than the slate lasts', async () => {
  const { clock, player, pictures, joins } = play()
  player.open()
  for (let second = 1; second <= 12; second += 1) {
    await clock.advance(1_000)
    const expected = (second + 1) * 25
    assert.ok(Math.abs(pictures() - expected) <= 2, `${pictures()} pictures after ${second} s`)
  }
  assert.ok(joins.length >= 12)
  assert.equal(player.framer.counters.continuityErrors, 0)
  player.close()
  assert.equal(clock.pending, 0)
})

test('nothing is sent while it is paused; then it goes on where it was', async () => {
  const { clock, player, all, pictures } = play()
  player.open()
  await clock.advance(1_000)
  player.pause()
  player.pause()
  const before = pictures()
  await clock.advance(60_000)
  assert.equal(pictures(), before)
  player.resume()
  player.resume()
  await clock.advance(1_000)
  assert.ok(Math.abs(pictures() - before - 25) <= 2, `${pictures() - before} pictures in a second`)
  assert.deepEqual(new Set(stepsOf(dtsOf(all(), VIDEO_PID))), new Set([3_600]))
})

test('after the process stood still for a minute it does not send a minute at once', () => {
  const slate = fixtureSlate()
  let nowMs = 1_000
  const due: (() => void)[] = []
  const parts: Buffer[] = []
  const clock = {
    ...createSimulatedClock(),
    nowMs: () => nowMs,
    schedule: (_ms: number, task: () => void) => {
      due.push(task)
      return { cancel: () => {} }
    },
  }
  const player = new SlatePlayer({ slate, clock, listener: { media: (data) => void parts.push(Buffer.from(data)) } })
  player.open()
  const before = dtsOf(Buffer.concat(parts), VIDEO_PID).length
  nowMs += 60_000
  due.shift()?.()
  const after = dtsOf(Buffer.concat(parts), VIDEO_PID).length
  assert.ok(after - before > 0 && after - before <= 25, `${after - before} pictures at once`)
})

test('closed by its listener it sends no more, and cannot be opened again', async () => {
  const clock = createSimulatedClock()
  let calls = 0
  const player: SlatePlayer = new SlatePlayer({
    slate: fixtureSlate(),
    clock,
    listener: {
      media: () => {
        calls += 1
        player.close()
      },
    },
  })
  player.open()
  const seen = calls
  player.resume()
  player.open()
  await clock.advance(5_000)
  assert.equal(seen, 1)
  assert.equal(calls, 1)
  assert.equal(player.ended, true)
  assert.equal(clock.pending, 0)
})
