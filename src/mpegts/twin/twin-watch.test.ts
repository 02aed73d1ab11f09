import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { PACKET_BYTES } from '../packet.ts'
import { TwinWatch } from './twin-watch.ts'
import { lose, makeEncode, mux } from './twin.fixture.ts'

const MODULUS = 2 ** 33

interface Feeding {
  readonly chunkPackets?: number
  /** How many packets the standby comes later. */
  readonly lagPackets?: number
}

/** Gives both sources to the watch, turn by turn. */
function watchBoth(air: Buffer, standby: Buffer, { chunkPackets = 7, lagPackets = 0 }: Feeding = {}): TwinWatch {
  const watch = new TwinWatch()
  const chunk = chunkPackets * PACKET_BYTES
  const lag = lagPackets * PACKET_BYTES
  for (let at = 0; at < Math.max(air.length, standby.length + lag); at += chunk) {
    watch.air(air.subarray(at, at + chunk))
    if (at >= lag) watch.standby(standby.subarray(at - lag, at - lag + chunk))
  }
  return watch
}

const remux = {
  firstPid: 0x300,
  firstCounter: 7,
  framesPerUnit: 4,
  hasDelimiters: true,
  hasFiller: true,
  hasShortStartCodes: true,
}

test('tells twins and the offset between them through a remux, whoever is ahead', () => {
  const encode = makeEncode({ seed: 1, reordered: 2 })
  for (const offset of [0, 777_000, MODULUS - 1_100_000, -900_000]) {
    for (const [air, standby] of [
      [{}, { ...remux, offset }],
      [{ ...remux, offset: -offset }, {}],
    ]) {
      for (const lagPackets of [0, 500]) {
        const watch = watchBoth(mux(encode, air).packets, mux(encode, standby).packets, { lagPackets })
        assert.equal(watch.alignment?.offsetTicks, (offset + MODULUS) % MODULUS)
        assert.equal(watch.alignment?.samePackets, false)
        assert.ok((watch.alignment?.matchedUnits ?? 0) > 50)
      }
    }
  }
})

test('sees that both were cut into the same packets when only PIDs, counters and times differ', () => {
  const encode = makeEncode({ seed: 1 })
  const other = { firstPid: 0x300, firstCounter: 7, offset: 123_456 }
  assert.equal(watchBoth(mux(encode).packets, mux(encode, other).packets).alignment?.samePackets, true)
  const audio = makeEncode({ seed: 1, hasVideo: false })
  assert.equal(watchBoth(mux(audio).packets, mux(audio, other).packets).alignment?.samePackets, true)
})

test('tells twins by their audio frames where there is no video, however they are packed', () => {
  const encode = makeEncode({ seed: 3, hasVideo: false })
  for (const shape of [{ framesPerUnit: 5 }, { audioUnitBytes: 700 }]) {
    const watch = watchBoth(mux(encode).packets, mux(encode, { firstPid: 0x300, offset: 4_242, ...shape }).packets)
    assert.equal(watch.alignment?.offsetTicks, 4_242)
    assert.equal(watch.alignment?.samePackets, false)
  }
})

test('packets lost on both do not hide that they are twins', () => {
  const encode = makeEncode({ seed: 5 })
  const air = lose(mux(encode).packets, 0.01, 1)
  const standby = lose(mux(encode, { firstPid: 0x300, offset: 99 }).packets, 0.01, 2)
  const { alignment } = watchBoth(air, standby)
  assert.equal(alignment?.offsetTicks, 99)
  assert.equal(alignment.samePackets, true)
  // It was never in doubt: what is damaged counts neither way.
  assert.ok(alignment.matchedUnits > 60, `${alignment.matchedUnits} units`)
})

test('two encodes are no twins', () => {
  assert.equal(
    watchBoth(mux(makeEncode({ seed: 1 })).packets, mux(makeEncode({ seed: 2 })).packets).alignment,
    undefined,
  )
})

test('what repeats proves nothing: a slate, or a short loop at another place', () => {
  const still = makeEncode({ seed: 1, pictures: 100, periodPictures: 1 })
  assert.equal(watchBoth(mux(still).packets, mux(still, { offset: 40_000 }).packets).alignment, undefined)
  const loop = makeEncode({ seed: 1, pictures: 200, periodPictures: 50 })
  const { packets, joinOffsets } = mux(loop)
  const onePeriodOn = packets.subarray(joinOffsets[2] ?? 0)
  assert.equal(watchBoth(packets, Buffer.concat([mux(loop).tables, onePeriodOn])).alignment, undefined)
})

test('is withdrawn as soon as the pictures differ', () => {
  const encode = makeEncode({ seed: 1 })
  const other = makeEncode({ seed: 1, pictures: 60 })
  const parted = makeEncode({ seed: 9, pictures: 200 })
  const air = mux(encode)
  const watch = watchBoth(mux(other).packets, mux(other).packets)
  assert.notEqual(watch.alignment, undefined)
  const tail = mux(parted).packets.subarray(mux(parted).joinOffsets[3] ?? 0)
  watch.standby(tail.subarray(0, 200 * PACKET_BYTES))
  watch.air(air.packets.subarray(air.joinOffsets[3] ?? 0))
  assert.equal(watch.alignment, undefined)
})

test('a jump of one clock withdraws it until the new offset is proved', () => {
  const encode = makeEncode({ seed: 1 })
  const [air, before, after] = [mux(encode), mux(encode), mux(encode, { offset: 5_000_000 })]
  const half = air.joinOffsets[2] ?? 0
  const watch = watchBoth(air.packets, Buffer.concat([before.packets.subarray(0, half), after.packets.subarray(half)]))
  assert.equal(watch.alignment?.offsetTicks, 5_000_000)
})

test('keeps what it knows when the sources change places', () => {
  const encode = makeEncode({ seed: 1 })
  const [air, standby] = [mux(encode).packets, mux(encode, { offset: 1_000 }).packets]
  const half = Math.floor(air.length / PACKET_BYTES / 2) * PACKET_BYTES
  const watch = watchBoth(air.subarray(0, half), standby.subarray(0, half))
  watch.swap()
  assert.equal(watch.alignment?.offsetTicks, MODULUS - 1_000)
  watch.air(standby.subarray(half))
  watch.standby(air.subarray(half))
  assert.equal(watch.alignment?.offsetTicks, MODULUS - 1_000)
})

test('no bytes make it throw or grow', () => {
  const encode = makeEncode({ seed: 1, pictures: 40 })
  const { packets } = mux(encode)
  const damage = fc.array(fc.tuple(fc.nat(packets.length - 1), fc.nat(255)), { maxLength: 300 })
  fc.assert(
    fc.property(damage, damage, fc.constantFrom(1, 9, 10_000), (first, second, chunkPackets) => {
      const [air, standby] = [Buffer.from(packets), Buffer.from(packets)]
      for (const [at, value] of first) air[at] = value
      for (const [at, value] of second) standby[at] = value
      const watch = watchBoth(air, standby, { chunkPackets })
      watch.air(Buffer.alloc(3))
      assert.ok(watch.alignment === undefined || watch.alignment.offsetTicks < MODULUS)
    }),
    { numRuns: 60 },
  )
})
