import { numbers, readFullBox, writeFullBox } from './box.ts'
import type { Box } from './box.ts'
import { IsobmffError } from './isobmff-error.ts'

/** emsg, ISO/IEC 23009-1 §5.10.3.3. */
export interface EventMessage {
  readonly schemeIdUri: string
  readonly value: string
  readonly timescale: number
  /** Ticks of `timescale`: on the track's timeline in version 1, from the segment's start in version 0. */
  readonly time: bigint
  readonly isRelative: boolean
  /** 0xFFFFFFFF is unknown. */
  readonly duration: number
  readonly id: number
  readonly data: Buffer
}

/** ID3 in CMAF, https://aomediacodec.github.io/id3-emsg/. */
export const ID3_SCHEME = 'https://aomedia.org/emsg/ID3'
export const DURATION_UNKNOWN = 0xffff_ffff

/** An emsg box of version 1. */
export function writeEventMessage(message: Omit<EventMessage, 'isRelative'>): Buffer {
  const time = Buffer.alloc(8)
  time.writeBigUInt64BE(BigInt.asUintN(64, message.time))
  return writeFullBox(
    'emsg',
    1,
    0,
    numbers([4, message.timescale]),
    time,
    numbers([4, message.duration], [4, message.id]),
    Buffer.from(`${message.schemeIdUri}\0${message.value}\0`),
    message.data,
  )
}

/** Reads an emsg box. Throws an IsobmffError. */
export function readEventMessage(bytes: Buffer, box: Box): EventMessage {
  const { version, reader } = readFullBox(bytes, box)
  const text = () => {
    const end = bytes.indexOf(0, reader.at)
    if (end < 0 || end >= box.end) throw new IsobmffError('truncated', 'a string without its end in emsg')
    const value = bytes.toString('utf8', reader.at, end)
    reader.skip(end + 1 - reader.at)
    return value
  }
  if (version > 1) throw new IsobmffError('unsupported', `emsg of version ${version}`)
  const isRelative = version === 0
  const [scheme, label] = isRelative ? [text(), text()] : ['', '']
  const timescale = reader.u32()
  const time = reader.versioned(version)
  const [duration, id] = [reader.u32(), reader.u32()]
  const [schemeIdUri, value] = isRelative ? [scheme, label] : [text(), text()]
  return { schemeIdUri, value, timescale, time, isRelative, duration, id, data: reader.bytes(reader.left) }
}
