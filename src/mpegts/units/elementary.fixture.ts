/** Elementary streams with as much in them as readers look at; the parameter sets are real. */
const START = Buffer.from([0, 0, 0, 1])
/** High 4:2:0, 352x288 interlaced: its pictures may be fields. */
export const H264_SPS_FIELDS = Buffer.from('67640015acd941433f260220000003002000000643e28532c0', 'hex')
/** Constrained Baseline, progressive. */
export const H264_SPS = Buffer.from('6742c00cda05067e7c0440000003004000000c83c50aa8', 'hex')
export const H264_PPS = Buffer.from('68ce0fc8', 'hex')
const H264_DELIMITER = Buffer.from('09f0', 'hex')

export function annexB(...nals: readonly Buffer[]): Buffer {
  return Buffer.concat(nals.flatMap((nal) => [START, nal]))
}

/** A slice that begins a picture: IDR or predicted, `fill` tells pictures apart. */
export function h264Slice(isIdr: boolean, fill: number, bytes = 300): Buffer {
  return Buffer.concat([Buffer.from(isIdr ? '658884' : '419a84', 'hex'), Buffer.alloc(bytes, fill | 0x80)])
}

/** A slice of one field; frame_num has `frameNumBits`, picture parameter set 0. */
export function h264Field(frameNum: number, isBottom: boolean, frameNumBits: number, isIdr = false): Buffer {
  const bits = `100010001${frameNum.toString(2).padStart(frameNumBits, '0')}1${isBottom ? 1 : 0}`.padEnd(32, '1')
  const header = Buffer.alloc(5)
  header[0] = isIdr ? 0x65 : 0x41
  header.writeUInt32BE(Number.parseInt(bits, 2), 1)
  return Buffer.concat([header, Buffer.alloc(100, isBottom ? 0xbb : 0xaa)])
}

/** A whole access unit with a delimiter; parameter sets where a decoder can begin. */
export function h264Unit(isIdr: boolean, fill: number, bytes = 300, sps: Buffer = H264_SPS): Buffer {
  const sets = isIdr ? [sps, H264_PPS] : []
  return annexB(H264_DELIMITER, ...sets, h264Slice(isIdr, fill, bytes))
}

/** An ADTS frame of 48 kHz stereo, or of the rate with this index. */
export function adtsFrame(fill: number, bytes = 100, rateIndex = 3): Buffer {
  const frame = Buffer.alloc(bytes, fill)
  frame.set([
    0xff,
    0xf1,
    0x40 | (rateIndex << 2),
    0x80 | (bytes >>> 11),
    (bytes >>> 3) & 0xff,
    ((bytes & 7) << 5) | 0x1f,
    0xfc,
  ])
  return frame
}
