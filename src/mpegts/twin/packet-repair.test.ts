import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { seededRandom } from '../../lib/random.ts'
import { PACKET_BYTES, pidOf } from '../packet.ts'
import { PacketRepair } from './packet-repair.ts'
import type { PacketRepairOptions, RepairAlignment } from './packet-repair.ts'
import { TwinWatch } from './twin-watch.ts'
import { makeEncode, mux } from './twin.fixture.ts'
import type { Encode, MuxShape } from './twin.fixture.ts'

const MODULUS = 2 ** 33
const OTHER: MuxShape = { firstPid: 0x300, firstCounter: 5, offset: 7_654_321 }
/** No packets are lost before this one: the twins must be known first, also with one far behind. */
const SAFE_PACKETS = 650

/** Losses by the number of the packet in the multiplex, which is the same in both. */
type Losses = ReadonlySet<number>

interface Run {
  readonly own: Buffer
  readonly output: Buffer
  readonly repair: PacketRepair
  /** How often media began to wait. */
  readonly waits: number
}

interface RunOptions {
  readonly ownLosses: Losses
  readonly twinLosses?: Losses
  /** How many packets the twin is behind the source; negative when it is ahead. */
  readonly lag?: number
  readonly chunkPackets?: number
  readonly holdMsMax?: number
  readonly other?: MuxShape
}

/** Both multiplexes through watch and repair, a packet a millisecond. */
function run(encode: Encode, options: RunOptions): Run {
  const { ownLosses, twinLosses = new Set(), lag = 0, chunkPackets = 7, holdMsMax = 1_000, other = OTHER } = options
  const [own, twin] = [mux(encode).packets, mux(encode, other).packets]
  const watch = new TwinWatch()
  const repair = new PacketRepair({ alignment: () => watch.alignment, holdMsMax })
  const output: Buffer[] = []
  const sink = (data: Buffer) => void output.push(Buffer.from(data))
  let waits = 0
  const packets = own.length / PACKET_BYTES
  for (let from = Math.min(0, lag); from < packets + Math.abs(lag); from += chunkPackets) {
    const ownPart = without(own, from, from + chunkPackets, ownLosses)
    const twinPart = without(twin, from - lag, from - lag + chunkPackets, twinLosses)
    watch.air(ownPart)
    const didWait = repair.heldBytes > 0
    repair.own(ownPart, [], from, sink)
    if (!didWait && repair.heldBytes > 0) waits += 1
    watch.standby(twinPart)
    repair.twin(twinPart, from, sink)
  }
  repair.flush(sink)
  return { own, output: Buffer.concat(output), repair, waits }
}

function without(packets: Buffer, from: number, to: number, losses: Losses): Buffer {
  const kept: Buffer[] = []
  for (let number = Math.max(0, from); number < to && number * PACKET_BYTES < packets.length; number += 1) {
    if (!losses.has(number)) kept.push(packets.subarray(number * PACKET_BYTES, (number + 1) * PACKET_BYTES))
  }
  return Buffer.concat(kept)
}

/** The packets of each PID in order; those of different PIDs may change places. */
function byPid(packets: Buffer): ReadonlyMap<number, Buffer> {
  const parts = new Map<number, Buffer[]>()
  for (let at = 0; at < packets.length; at += PACKET_BYTES) {
    const pid = pidOf(packets, at)
    parts.set(pid, [...(parts.get(pid) ?? []), packets.subarray(at, at + PACKET_BYTES)])
  }
  return new Map([...parts].map(([pid, list]) => [pid, Buffer.concat(list)]))
}

/** The same packets on each PID; what differs is not printed. */
function assertSame(actual: Buffer, expected: Buffer, message = 'packets'): void {
  const got = byPid(actual)
  for (const [pid, packets] of byPid(expected)) {
    const missing = (packets.length - (got.get(pid)?.length ?? 0)) / PACKET_BYTES
    assert.equal(missing, 0, `${message}: ${missing} of PID ${pid} are missing`)
    assert.ok(got.get(pid)?.equals(packets), `${message}: those of PID ${pid} differ`)
  }
}

/** Losses with this chance, in rows of up to `longest`, once the twins are known and not of the last packets. */
function losses(encode: Encode, chance: number, longest: number, seed: number): Losses {
  const { packets } = mux(encode)
  const random = seededRandom(seed)
  const lost = new Set<number>()
  for (let number = SAFE_PACKETS; number < packets.length / PACKET_BYTES - 60; number += 1) {
    if (random.next() >= chance) continue
    const row = 1 + Math.floor(random.next() * longest)
    for (let index = 0; index < row; index += 1) {
      const pid = pidOf(packets, number * PACKET_BYTES)
      if (pid === 0x100 || pid === 0x101) lost.add(number)
      number += 1
    }
  }
  return lost
}

const encode = makeEncode({ seed: 1, groupPictures: 16, reordered: 2 })

test('what one source lost comes from the other to the bit, whoever is ahead', () => {
  for (const lag of [0, 200, -200]) {
    for (const offset of [0, 7_654_321, MODULUS - 1_050_000]) {
      const ownLosses = losses(encode, 0.01, 1, 4)
      const { own, output, repair } = run(encode, { ownLosses, lag, other: { ...OTHER, offset } })
      assertSame(output, own, `lag ${lag}, offset ${offset}`)
      assert.deepEqual(repair.counters, { repaired: ownLosses.size, unrepairable: 0 })
      assert.equal(repair.heldBytes, 0)
    }
  }
})

test('losses on both at different places are merged packet by packet', () => {
  const ownLosses = losses(encode, 0.02, 4, 4)
  const twinLosses = losses(encode, 0.02, 4, 9)
  const { own, output } = run(encode, { ownLosses, twinLosses })
  const lostTwice = new Set([...ownLosses].filter((number) => twinLosses.has(number)))
  assertSame(output, without(own, 0, Infinity, lostTwice))
})

test('a loss of more packets than the counter can tell is filled whole', () => {
  const { packets } = mux(encode)
  const row = Array.from({ length: 90 }, (_, index) => 700 + index)
  const ownLosses = new Set(row.filter((number) => [0x100, 0x101].includes(pidOf(packets, number * PACKET_BYTES))))
  const { own, output, repair } = run(encode, { ownLosses })
  assertSame(output, own)
  assert.deepEqual(repair.counters, { repaired: ownLosses.size, unrepairable: 0 })
})

test('without a loss the very same buffers pass', () => {
  const { packets } = mux(encode)
  const repair = new PacketRepair({ alignment: () => undefined, holdMsMax: 500 })
  for (let at = 0; at < packets.length; at += 10 * PACKET_BYTES) {
    const data = packets.subarray(at, at + 10 * PACKET_BYTES)
    const passed: Buffer[] = []
    repair.own(data, [0], 0, (part) => passed.push(part))
    assert.ok(passed.length === 1 && passed[0] === data)
  }
})

/** Feeds the start of both sources and then the source with one packet missing, between others of its PID. */
function openGap(options: Partial<PacketRepairOptions>) {
  const [own, twin] = [mux(encode).packets, mux(encode, OTHER).packets]
  const alignment: RepairAlignment = { offsetTicks: OTHER.offset ?? 0, samePackets: true }
  const repair = new PacketRepair({ alignment: () => alignment, holdMsMax: 500, ...options })
  const sent: Buffer[] = []
  const joins: number[] = []
  const sink = (data: Buffer, joinOffsets: readonly number[]) => {
    joins.push(...joinOffsets.map((offset) => Buffer.concat(sent).length + offset))
    sent.push(Buffer.from(data))
  }
  const packet = (source: Buffer, from: number, to: number) => source.subarray(from * PACKET_BYTES, to * PACKET_BYTES)
  const isVideo = (number: number) => pidOf(own, number * PACKET_BYTES) === 0x100
  let lost = 200
  while (!isVideo(lost - 1) || !isVideo(lost) || !isVideo(lost + 1)) lost += 1
  // The tables of both come first.
  repair.twin(packet(twin, 0, 2), 0, sink)
  repair.own(packet(own, 0, lost), [], 0, sink)
  repair.twin(packet(twin, 2, lost), 0, sink)
  repair.own(packet(own, lost + 1, lost + 30), [5 * PACKET_BYTES], 1_000, sink)
  const packets = () => sent.reduce((sum, { length }) => sum + length, 0) / PACKET_BYTES - lost
  return { own, twin, repair, sent, joins, sink, packet, lost, packets }
}

test('media waits for a twin that is behind, and goes on as soon as it has come', () => {
  const { own, twin, repair, sent, joins, sink, packet, lost, packets } = openGap({})
  assert.equal(packets(), 0)
  assert.equal(repair.heldBytes, 29 * PACKET_BYTES)
  repair.twin(packet(twin, lost, lost + 40), 1_100, sink)
  assert.equal(repair.heldBytes, 0)
  assert.deepEqual(Buffer.concat(sent), packet(own, 0, lost + 30))
  assert.deepEqual(joins, [(lost + 6) * PACKET_BYTES])
})

test('media waits no longer than it may', () => {
  const { own, repair, sink, packet, lost, packets } = openGap({})
  repair.own(packet(own, lost + 30, lost + 31), [], 1_499, sink)
  assert.equal(packets(), 0)
  repair.own(packet(own, lost + 31, lost + 32), [], 1_500, sink)
  assert.equal(packets(), 31)
  assert.deepEqual(repair.counters, { repaired: 0, unrepairable: 1 })
})

test('a flush lets go of what waits', () => {
  const { repair, sink, packets } = openGap({})
  repair.flush(sink)
  assert.equal(packets(), 29)
  assert.equal(repair.heldBytes, 0)
})

test('where nothing may wait, what is there already is still taken', () => {
  assert.equal(openGap({ holdMsMax: 0 }).packets(), 29)
  const { own, output } = run(encode, { ownLosses: losses(encode, 0.01, 1, 4), lag: -100, holdMsMax: 0 })
  assertSame(output, own)
})

test('a twin that is always too late is not waited for each time', () => {
  const ownLosses = losses(encode, 0.03, 1, 4)
  const { own, output, waits } = run(encode, { ownLosses, lag: 300, holdMsMax: 20 })
  assertSame(output, without(own, 0, Infinity, ownLosses))
  assert.ok(ownLosses.size > 20 && waits < 10, `${waits} waits for ${ownLosses.size} losses`)
})

test('a source that is cut into other packets gives nothing', () => {
  const ownLosses = losses(encode, 0.01, 1, 4)
  const { own, output, repair } = run(encode, { ownLosses, other: { ...OTHER, hasDelimiters: true } })
  assertSame(output, without(own, 0, Infinity, ownLosses))
  assert.deepEqual(repair.counters, { repaired: 0, unrepairable: ownLosses.size })
})

test('any losses, lag and pieces: whatever one of the two has is in the output, once', () => {
  const cases = fc.record({
    seed: fc.nat(1_000_000),
    ownLoss: fc.record({ chance: fc.constantFrom(0.005, 0.02), longest: fc.constantFrom(1, 3), seed: fc.nat(1_000) }),
    twinLoss: fc.record({
      chance: fc.constantFrom(0, 0.005, 0.02),
      longest: fc.constantFrom(1, 3),
      seed: fc.nat(1_000),
    }),
    lag: fc.integer({ min: -300, max: 300 }),
    chunkPackets: fc.constantFrom(1, 7, 64),
    offset: fc.oneof(fc.nat(1_000_000), fc.integer({ min: MODULUS - 1_300_000, max: MODULUS - 1 })),
  })
  fc.assert(
    fc.property(cases, ({ seed, ownLoss, twinLoss, lag, chunkPackets, offset }) => {
      const encoded = makeEncode({ seed, groupPictures: 25 })
      const ownLosses = losses(encoded, ownLoss.chance, ownLoss.longest, ownLoss.seed)
      const twinLosses = losses(encoded, twinLoss.chance, twinLoss.longest, twinLoss.seed)
      const other = { ...OTHER, offset }
      const { own, output, repair } = run(encoded, { ownLosses, twinLosses, lag, chunkPackets, other })
      const lostTwice = new Set([...ownLosses].filter((number) => twinLosses.has(number)))
      const whole = byPid(without(own, 0, Infinity, lostTwice))
      const got = byPid(output)
      for (const [pid, packets] of whole) {
        const missing = (packets.length - (got.get(pid)?.length ?? 0)) / PACKET_BYTES
        // Both ends of a gap can be lost on the twin: then nothing shows that it fits.
        assert.ok(missing >= 0 && missing <= 3, `${missing} of PID ${pid}`)
        if (missing === 0) assert.ok(got.get(pid)?.equals(packets), `PID ${pid}`)
      }
      assert.equal(repair.heldBytes, 0)
    }),
    { numRuns: 60 },
  )
})

test('no bytes make it throw, stop or grow', () => {
  const [own, twin] = [mux(encode).packets, mux(encode, OTHER).packets]
  const damage = fc.array(fc.tuple(fc.nat(own.length - 1), fc.nat(255)), { maxLength: 300 })
  fc.assert(
    fc.property(damage, damage, (first, second) => {
      const [badOwn, badTwin] = [Buffer.from(own), Buffer.from(twin)]
      for (const [at, value] of first) badOwn[at] = value
      for (const [at, value] of second) badTwin[at] = value
      const alignment = { offsetTicks: OTHER.offset ?? 0, samePackets: true }
      const repair = new PacketRepair({ alignment: () => alignment, holdMsMax: 50 })
      let bytes = 0
      const sink = (data: Buffer) => void (bytes += data.length)
      for (let at = 0; at < own.length; at += 50 * PACKET_BYTES) {
        repair.own(badOwn.subarray(at, at + 50 * PACKET_BYTES), [], at, sink)
        repair.twin(badTwin.subarray(at, at + 50 * PACKET_BYTES), at, sink)
      }
      repair.flush(sink)
      assert.ok(bytes >= own.length && bytes < 4 * own.length)
      assert.equal(repair.heldBytes, 0)
    }),
    { numRuns: 60 },
  )
})
