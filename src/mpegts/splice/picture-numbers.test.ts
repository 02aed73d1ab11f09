import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { payloadOffset, PACKET_BYTES } from '../packet.ts'
import { escapeUnit, unescapeUnit } from './emulation.ts'
import { PictureNumbers } from './picture-numbers.ts'
import { makePacket, makePes } from './source.fixture.ts'

const PID = 0x100
const HEADER_BYTES = 14
const START = Buffer.from([0, 0, 1])
/** Profile 66, level 30, set 0, frame_num of 8 bits, order of type 0 in 8 bits, 1 reference, 1 × 1 macroblocks, frames only. */
const SEQUENCE = Buffer.from([0x67, 66, 0, 30, 0b1_00101_1_0, 0b0101_010_0, 0b1_1_1_10000])
/** Set 0 of sequence 0. */
const PICTURE_SET = Buffer.from([0x68, 0b1_1_000000])
const NAL_REFERENCE = 0x41
const NAL_UNUSED = 0x01
const NAL_IDR = 0x65

interface Slice {
  readonly header: number
  readonly frameNum: number
  readonly order: number
  readonly data: Buffer
}

/** first_mb_in_slice 0, slice_type 5, set 0: seven bits; then the numbers (idr_pic_id between them), then `data`. */
function sliceBytes({ header, frameNum, order, data }: Slice): Buffer {
  const idrId = header === NAL_IDR ? '1' : ''
  const bits = `1001101${bitsOf(frameNum)}${idrId}${bitsOf(order)}`.padEnd(24, '0')
  const plain = [0, 8, 16].map((from) => Number.parseInt(bits.slice(from, from + 8), 2))
  return Buffer.concat([Buffer.from([header]), escapeUnit(Buffer.concat([Buffer.from(plain), data]))])
}

function bitsOf(value: number): string {
  return value.toString(2).padStart(8, '0')
}

function readSlice(bytes: Buffer): Slice {
  const plain = unescapeUnit(bytes, 1, bytes.length)
  const bits = [...plain.subarray(0, 3)].map((byte) => bitsOf(byte)).join('')
  const header = bytes[0] ?? 0
  const orderAt = header === NAL_IDR ? 16 : 15
  const number = (from: number) => Number.parseInt(bits.slice(from, from + 8), 2)
  return { header, frameNum: number(7), order: number(orderAt), data: plain.subarray(3) }
}

/** A unit in as many packets as it needs. */
function unitOf(nals: readonly Buffer[], hasLength = true): Buffer {
  const stream = Buffer.concat(nals.flatMap((nal) => [START, nal]))
  const pes = makePes(0xe0, 900_000, 900_000, stream, hasLength)
  const packets: Buffer[] = []
  for (let from = 0; from < pes.length; from += 184) {
    packets.push(makePacket(PID, packets.length & 15, from === 0, pes.subarray(from, from + 184), undefined))
  }
  return Buffer.concat(packets)
}

function payloadOf(unit: Buffer): Buffer {
  const parts: Buffer[] = []
  for (let at = 0; at < unit.length; at += PACKET_BYTES) {
    parts.push(unit.subarray(payloadOffset(unit, at), at + PACKET_BYTES))
  }
  return Buffer.concat(parts)
}

function nalsOf(unit: Buffer): readonly Buffer[] {
  const payload = payloadOf(unit)
  const nals: Buffer[] = []
  for (let at = payload.indexOf(START, HEADER_BYTES); at >= 0;) {
    const next = payload.indexOf(START, at + 3)
    nals.push(payload.subarray(at + 3, next < 0 ? payload.length : next))
    at = next
  }
  return nals
}

function numbered(numbers: PictureNumbers, nals: readonly Buffer[]): readonly Slice[] {
  const unit = unitOf(nals)
  numbers.number({ buffer: unit, from: 0, to: unit.length, pid: PID }, HEADER_BYTES)
  const slices = nalsOf(unit).filter((nal) => ((nal[0] ?? 0) & 0x1f) <= 5)
  return slices.map(readSlice)
}

const DATA = Buffer.alloc(100, 0x77)

function picture(frameNum: number, order: number, header = NAL_REFERENCE, data = DATA): Buffer {
  return sliceBytes({ header, frameNum, order, data })
}

/** Numbers after a source whose last reference picture had frame_num 200 and whose last shown picture order 250. */
function afterFirstSource(): PictureNumbers {
  const numbers = new PictureNumbers()
  numbers.join()
  numbered(numbers, [SEQUENCE, PICTURE_SET, picture(0, 0, NAL_IDR)])
  for (let index = 1; index <= 200; index += 1) numbered(numbers, [picture(index, (index * 2) % 256)])
  numbered(numbers, [picture(201, (199 * 2) % 256, NAL_UNUSED)])
  numbers.join()
  return numbers
}

const LAST_ORDER = 400

test('a source joined at a picture that is no IDR picture is numbered on from the one before', () => {
  const numbers = afterFirstSource()
  const key = numbered(numbers, [SEQUENCE, PICTURE_SET, picture(17, 90)])
  assert.deepEqual(key, [{ header: NAL_REFERENCE, frameNum: 201, order: (LAST_ORDER + 2) % 256, data: DATA }])
  const next = numbered(numbers, [picture(18, 98), picture(18, 98)])
  assert.deepEqual(
    next.map(({ frameNum, order }) => [frameNum, order]),
    [
      [202, (LAST_ORDER + 10) % 256],
      [202, (LAST_ORDER + 10) % 256],
    ],
  )
})

test('from its next IDR picture on the numbers of a source are its own', () => {
  const numbers = afterFirstSource()
  numbered(numbers, [picture(17, 90)])
  const [restart] = numbered(numbers, [picture(0, 0, NAL_IDR)])
  assert.equal(restart?.frameNum, 0)
  assert.equal(restart.order, 0)
  assert.deepEqual(numbered(numbers, [picture(1, 8)]), [{ header: NAL_REFERENCE, frameNum: 1, order: 8, data: DATA }])
})

test('the numbers of the first source, and of one that begins with an IDR picture, stay', () => {
  const numbers = new PictureNumbers()
  numbers.join()
  assert.equal(numbered(numbers, [SEQUENCE, PICTURE_SET, picture(17, 90)])[0]?.frameNum, 17)
  const later = afterFirstSource()
  numbered(later, [SEQUENCE, PICTURE_SET, picture(0, 0, NAL_IDR)])
  assert.equal(numbered(later, [picture(1, 2)])[0]?.frameNum, 1)
})

test('the twin of a source goes on with its numbers', () => {
  const numbers = afterFirstSource()
  numbers.goOn()
  assert.equal(numbered(numbers, [picture(202, 20)])[0]?.frameNum, 202)
})

test('numbers that would look like a start code get a prevention byte, for which the stuffing makes room', () => {
  for (const length of [170, 171, 172, 173, 180, 200, 338]) {
    const numbers = afterFirstSource()
    numbered(numbers, [picture(17, 90)])
    // 17 → 201 and 90 → 146: the numbers that come out as 0 and 0.
    const data = Buffer.alloc(length, 0x55)
    data[0] = 1
    const [slice] = numbered(numbers, [picture(72, 200, NAL_UNUSED, data)])
    assert.deepEqual(slice, { header: NAL_UNUSED, frameNum: 0, order: 0, data }, `${length} bytes of data`)
  }
})

test('a prevention byte that is needed no longer goes, and the PES length with it', () => {
  const numbers = afterFirstSource()
  numbered(numbers, [picture(17, 90)])
  const data = Buffer.alloc(300, 0x55)
  data[0] = 1
  const unit = unitOf([picture(0, 0, NAL_UNUSED, data)])
  const before = payloadOf(unit)
  numbers.number({ buffer: unit, from: 0, to: unit.length, pid: PID }, HEADER_BYTES)
  const after = payloadOf(unit)
  assert.equal(after.length, before.length - 1)
  assert.equal(after.readUInt16BE(4), after.length - 6)
  assert.deepEqual(nalsOf(unit).map(readSlice), [{ header: NAL_UNUSED, frameNum: 184, order: 56, data }])
})

test('no bytes make it throw, or write anywhere but into the unit', () => {
  const nal = fc.oneof(
    fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
    fc.constantFrom(SEQUENCE, PICTURE_SET, SEQUENCE.subarray(0, 4), picture(17, 90), picture(0, 0, NAL_IDR)),
    fc.uint8Array({ maxLength: 30 }).map((bytes) => Buffer.concat([Buffer.from([NAL_REFERENCE]), bytes])),
    fc.uint8Array({ maxLength: 30 }).map((bytes) => Buffer.concat([Buffer.from([0x67]), bytes])),
  )
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.array(nal, { maxLength: 8 }), fc.boolean()), { maxLength: 12 }), (units) => {
      const numbers = new PictureNumbers()
      for (const [nals, isJoin] of units) {
        if (isJoin) numbers.join()
        const unit = unitOf(nals)
        const other = makePacket(PID + 1, 0, true, Buffer.alloc(184, 1), undefined)
        const buffer = Buffer.concat([other, unit, other])
        const headers = headersOf(buffer)
        numbers.number({ buffer, from: PACKET_BYTES, to: buffer.length, pid: PID }, HEADER_BYTES)
        assert.ok(buffer.subarray(0, PACKET_BYTES).equals(other) && buffer.subarray(-PACKET_BYTES).equals(other))
        assert.deepEqual(headersOf(buffer), headers)
      }
    }),
    { numRuns: 300 },
  )
})

/** The first three bytes and the counter of each packet. */
function headersOf(buffer: Buffer): readonly string[] {
  return Array.from({ length: buffer.length / PACKET_BYTES }, (_, index) => {
    const packet = buffer.subarray(index * PACKET_BYTES, index * PACKET_BYTES + 4)
    return `${packet.toString('hex', 0, 3)} ${(packet[3] ?? 0) & 0x0f}`
  })
}
