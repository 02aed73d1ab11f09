import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLog } from '../../lib/log.ts'
import type { Log } from '../../lib/log.ts'
import { createSimulatedClock } from '../../lib/simulated-clock.ts'
import type { ActionChoice } from './conditions.ts'
import { ContentWatch } from './content-watch.ts'
import type { DecoderListener, DecoderSpec } from './decoder.ts'
import { Decoders } from './decoders.ts'
import { SourceMonitor } from './monitor.ts'
import { PICTURE_BYTES } from './picture-watch.ts'

const PACKET_BYTES = 188
const [PAT, PMT, VIDEO, AUDIO, OTHER] = [0, 0x1000, 0x100, 0x101, 0x1ff]
const pids = { video: VIDEO, audio: AUDIO, tables: [PAT, PMT] }
const tables = packets(PAT, PMT)

function packets(...of: readonly number[]): Buffer {
  return Buffer.concat(of.map((pid) => Buffer.from([0x47, pid >> 8, pid & 0xff, 0x10, ...new Uint8Array(184)])))
}

const pidsOf = (run: Buffer) =>
  Array.from({ length: run.length / PACKET_BYTES }, (_, index) => run.readUInt16BE(index * PACKET_BYTES + 1))

/** A decoder that a test looks into. */
class FakeDecoder {
  readonly spec: DecoderSpec
  readonly listener: DecoderListener
  readonly written: number[][] = []
  isSlow = false
  isClosed = false

  constructor(spec: DecoderSpec, listener: DecoderListener) {
    this.spec = spec
    this.listener = listener
  }

  write(run: Buffer): boolean {
    if (this.isSlow) return false
    this.written.push(pidsOf(run))
    return true
  }

  close(): void {
    this.isClosed = true
  }

  shows(luma: number, mediaMs: number): void {
    this.listener.picture(Buffer.alloc(PICTURE_BYTES, luma), mediaMs)
  }
}

interface StageOptions {
  readonly processesMax?: number
  readonly log?: Log
}

function stage(choice: ActionChoice, { processesMax = 4, log = silentLog }: StageOptions = {}) {
  const clock = createSimulatedClock()
  const started: FakeDecoder[] = []
  const decoders = new Decoders({
    processesMax,
    clock,
    log,
    start: (spec, listener) => {
      const decoder = new FakeDecoder(spec, listener)
      started.push(decoder)
      return decoder
    },
  })
  const chosen = { ...choice }
  const policy = {
    actionOf: (condition: keyof ActionChoice) => chosen[condition] ?? 'off',
    hasAlternative: () => true,
    bitRateFloor: undefined,
    silence: { thresholdDb: -50, holdMs: 10_000, checks: undefined },
    decoders,
  }
  const open = () => new ContentWatch(policy, () => clock.nowMs())
  let mediaMs = 0
  const feed = (watch: ContentWatch, run: Buffer, joinOffsets: readonly number[] = [0], stepMs = 1_000) => {
    mediaMs += stepMs
    watch.observe({ packets: run, joinOffsets, pids, tables: () => tables, mediaMs, nowMs: clock.nowMs() })
  }
  const latest = () => {
    const decoder = started.at(-1)
    assert.ok(decoder, 'no decoder was started')
    return decoder
  }
  return { clock, decoders, started, chosen, policy, open, feed, latest }
}

test('nothing is started while nothing is wanted', () => {
  const { open, feed, started } = stage({ black: 'off' })
  feed(open(), packets(VIDEO))
  assert.equal(started.length, 0)
})

test('it begins at a keyframe, with the tables, and is given only what it decodes', () => {
  const { open, feed, latest, started } = stage({ black: 'fail' })
  const watch = open()
  feed(watch, packets(VIDEO, AUDIO), [])
  assert.equal(started.length, 0)
  feed(watch, packets(AUDIO, VIDEO, OTHER, VIDEO, VIDEO), [3 * PACKET_BYTES])
  feed(watch, packets(PAT, OTHER, VIDEO, AUDIO), [])
  assert.deepEqual(latest().written, [
    [PAT, PMT, VIDEO, VIDEO],
    [PAT, VIDEO],
  ])
  assert.deepEqual([latest().spec.videoPid, latest().spec.audioPid], [VIDEO, undefined])
})

test('sound alone needs no keyframe', () => {
  const { open, feed, latest } = stage({ silent: 'warn' })
  feed(open(), packets(VIDEO, AUDIO, OTHER), [])
  assert.deepEqual(latest().written, [[PAT, PMT, AUDIO]])
  assert.deepEqual([latest().spec.videoPid, latest().spec.audioPid], [undefined, AUDIO])
})

test('what the decoder finds is judged with the media that follows, and over when it is over', () => {
  const { open, feed, latest, policy } = stage({ black: 'fail', frozen: 'warn' })
  const watch = open()
  const monitor = new SourceMonitor(policy, watch)
  feed(watch, packets(VIDEO))
  latest().shows(10, 0)
  latest().shows(10, 2_000)
  monitor.observe(packets(VIDEO), 0)
  const verdict = monitor.verdict()
  assert.equal(verdict?.condition, 'black')
  assert.deepEqual(verdict.evidence, { media_ms: 2_000, limit_media_ms: 2_000, keyframes: 2, black_share: 1 })
  latest().shows(90, 4_000)
  monitor.observe(packets(VIDEO), 0)
  assert.deepEqual(monitor.findings(), [])
})

test('without another source a black picture is told, and the source stays', () => {
  const { open, feed, latest, policy } = stage({ black: 'fail' })
  const watch = open()
  const monitor = new SourceMonitor({ ...policy, hasAlternative: () => false }, watch)
  feed(watch, packets(VIDEO))
  latest().shows(0, 0)
  latest().shows(0, 3_000)
  monitor.observe(packets(VIDEO), 0)
  assert.equal(monitor.verdict(), undefined)
  assert.deepEqual(
    monitor.takeWarnings(0).map(({ condition }) => condition),
    ['black'],
  )
})

test('a slow decoder costs packets, not memory: it goes on at a keyframe, and what it had seen is void', () => {
  const { open, feed, latest } = stage({ black: 'fail' })
  const watch = open()
  feed(watch, packets(VIDEO))
  latest().shows(0, 0)
  latest().isSlow = true
  feed(watch, packets(VIDEO), [])
  assert.equal(watch.pictures.black.pictures, 0)
  latest().isSlow = false
  feed(watch, packets(VIDEO), [])
  assert.equal(latest().written.length, 1)
  feed(watch, packets(VIDEO))
  assert.deepEqual(latest().written[1], [PAT, PMT, VIDEO])
})

test('one that dies is started again, later each time, and what it had seen is void', async () => {
  const { open, feed, latest, started, clock } = stage({ black: 'fail' })
  const watch = open()
  for (const waitMs of [1_000, 2_000, 4_000]) {
    feed(watch, packets(VIDEO))
    const count = started.length
    latest().listener.ended({ reason: 'exited', detail: 'killed' })
    assert.equal(watch.pictures.black.pictures, 0)
    await clock.advance(waitMs - 1)
    feed(watch, packets(VIDEO))
    assert.equal(started.length, count)
    await clock.advance(1)
  }
  feed(watch, packets(VIDEO))
  assert.equal(started.length, 4)
})

test('one that says nothing for a minute is ended and started again', async () => {
  const { open, feed, latest, started, clock, decoders } = stage({ black: 'fail' })
  const watch = open()
  feed(watch, packets(VIDEO))
  const first = latest()
  await clock.advance(60_001)
  feed(watch, packets(VIDEO), [], 0)
  assert.equal(first.isClosed, true)
  assert.equal(decoders.running, 0)
  await clock.advance(1_000)
  feed(watch, packets(VIDEO))
  assert.equal(started.length, 2)
})

test('where hardly any keyframe can be decoded by itself, the pictures that others refer to are decoded', () => {
  const { open, feed, latest, started } = stage({ black: 'fail' })
  const watch = open()
  feed(watch, packets(VIDEO))
  assert.equal(latest().spec.pictures, 'keyframes')
  for (let index = 0; index < 3; index += 1) latest().shows(50, index)
  for (let index = 0; index < 10; index += 1) feed(watch, packets(VIDEO))
  assert.equal(started.length, 2)
  assert.equal(latest().spec.pictures, 'references')
  assert.equal(started[0]?.isClosed, true)
})

test('pictures that come a few keyframes late are in order', () => {
  const { open, feed, latest, started } = stage({ black: 'fail' })
  const watch = open()
  for (let index = 0; index < 40; index += 1) {
    feed(watch, packets(VIDEO))
    if (index >= 4) latest().shows(index, index * 1_000)
  }
  assert.equal(started.length, 1)
})

test('a choice takes effect at once: the decoder comes and goes with it', () => {
  const { open, feed, latest, chosen, decoders } = stage({})
  const watch = open()
  feed(watch, packets(VIDEO))
  chosen.silent = 'warn'
  feed(watch, packets(VIDEO))
  assert.equal(latest().spec.audioPid, AUDIO)
  chosen.black = 'fail'
  feed(watch, packets(VIDEO))
  assert.deepEqual([latest().spec.videoPid, latest().spec.audioPid], [VIDEO, AUDIO])
  delete chosen.silent
  delete chosen.black
  feed(watch, packets(VIDEO))
  assert.equal(latest().isClosed, true)
  assert.equal(decoders.running, 0)
})

test('past the limit a condition is not monitored, which is logged once, until there is room', async () => {
  const logged: string[] = []
  const log = { ...silentLog, warn: (event: string) => void logged.push(event) }
  const { open, feed, started, clock } = stage({ black: 'fail', silent: 'warn' }, { processesMax: 1, log })
  const [first, second] = [open(), open()]
  feed(first, packets(VIDEO))
  for (let index = 0; index < 3; index += 1) {
    feed(second, packets(VIDEO))
    await clock.advance(5_000)
  }
  assert.equal(started.length, 1)
  assert.deepEqual(second.unmonitored, [
    { condition: 'black', reason: 'no_decoder_free' },
    { condition: 'silent', reason: 'no_decoder_free' },
  ])
  assert.deepEqual(first.unmonitored, [])
  assert.deepEqual(logged, ['decoders_full'])
  first.close()
  feed(second, packets(VIDEO))
  assert.equal(started.length, 2)
  assert.deepEqual(second.unmonitored, [])
})

test('without ffmpeg nothing is monitored, which is logged once, and it is looked for again after five minutes', async () => {
  const logged: string[] = []
  const log = { ...silentLog, warn: (event: string) => void logged.push(event) }
  const { open, feed, latest, started, clock } = stage({ frozen: 'fail' }, { log })
  const watch = open()
  for (const _ of [1, 2]) {
    feed(watch, packets(VIDEO))
    latest().listener.ended({ reason: 'not_found', detail: 'spawn ffmpeg ENOENT' })
    await clock.advance(10_000)
    feed(watch, packets(VIDEO))
    assert.deepEqual(watch.unmonitored, [{ condition: 'frozen', reason: 'no_ffmpeg' }])
    await clock.advance(300_000)
  }
  assert.equal(started.length, 2)
  assert.deepEqual(logged, ['decoder_not_found'])
})

test('an ffmpeg from before 5.1 is started again with the option that it knows, without a word', async () => {
  const logged: string[] = []
  const log = { ...silentLog, warn: (event: string) => void logged.push(event) }
  const { open, feed, latest, clock } = stage({ frozen: 'fail' }, { log })
  const watch = open()
  feed(watch, packets(VIDEO))
  assert.equal(latest().spec.passthroughOption, '-fps_mode')
  latest().listener.ended({ reason: 'option_unknown', detail: '' })
  await clock.advance(1_000)
  feed(watch, packets(VIDEO))
  assert.equal(latest().spec.passthroughOption, '-vsync')
  assert.deepEqual(logged, [])
})
