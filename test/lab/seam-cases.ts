/** The seams that the oracle judges: which real encodings are cut where, and what follows them. */

const x264 = (preset: string, ...options: readonly string[]) => [
  ...['-c:v', 'libx264', '-preset', preset, '-g', '25'],
  ...options,
]
const open264 = 'open-gop=1:keyint=25:min-keyint=25:bframes=3:b-adapt=0:b-pyramid=none:scenecut=0'
const open265 = 'log-level=none:keyint=24:min-keyint=24:bframes=3:b-adapt=0:scenecut=0:open-gop=1'

/** What ffmpeg encodes with. Those without `-c:v` have no video. */
const encodings = {
  h264: [...x264('ultrafast', '-bf', '2'), '-c:a', 'aac'],
  'h264 without B': [...x264('ultrafast', '-bf', '0'), '-c:a', 'aac'],
  'h264 pyramid': [...x264('veryfast', '-bf', '3', '-b_strategy', '0'), '-c:a', 'aac'],
  'h264 open GOP': [...x264('veryfast', '-x264-params', open264), '-c:a', 'aac'],
  'h264 and MP2': [...x264('ultrafast', '-bf', '2'), '-c:a', 'mp2'],
  'h264 and AC-3': [...x264('ultrafast', '-bf', '2'), '-c:a', 'ac3'],
  'h264 and E-AC-3': [...x264('ultrafast', '-bf', '2'), '-c:a', 'eac3'],
  hevc: ['-c:v', 'libx265', '-preset', 'ultrafast', '-x265-params', 'log-level=none:keyint=25', '-c:a', 'mp2'],
  'hevc and AAC': [
    '-c:v',
    'libx265',
    '-preset',
    'ultrafast',
    '-x265-params',
    'log-level=none:keyint=25',
    '-c:a',
    'aac',
  ],
  'hevc open GOP': ['-c:v', 'libx265', '-preset', 'ultrafast', '-x265-params', open265, '-c:a', 'mp2'],
  mpeg2: ['-c:v', 'mpeg2video', '-bf', '2', '-g', '12', '-b:v', '1M', '-c:a', 'ac3'],
  'audio only': ['-c:a', 'aac'],
  'audio only, MP2': ['-c:a', 'mp2'],
} as const satisfies Readonly<Record<string, readonly string[]>>

export interface SourceOptions {
  readonly encoding: keyof typeof encodings
  readonly fps?: number
  /** Added to all timestamps. */
  readonly startSeconds?: number
  readonly firstPid?: number
  /** Seconds from PCR to DTS. */
  readonly muxDelay?: number
  /** PCR on a PID that carries nothing else. */
  readonly hasOwnPcrPid?: boolean
  /** The sound begins this much later than the pictures. */
  readonly soundDelaySeconds?: number
  /** The sound ends after so much, while the pictures go on. */
  readonly soundSeconds?: number
}

export interface PartOptions extends SourceOptions {
  /** Which key picture it is joined at, and the share of the source's bytes at which it ends. */
  readonly key: number
  readonly until: number
  /** It was connected at that picture: nobody has what it sent before. */
  readonly isCold?: boolean
}

export interface SeamCase {
  readonly name: string
  readonly parts: readonly PartOptions[]
  /** The longest step of video DTS, in frames of the slower source. */
  readonly stepFramesMax?: number
  /** Sound that a source did not have is missing at the seam, whatever is done there. */
  readonly hasHole?: boolean
  /** A codec changes, or pictures begin or end: the programme says so, and decoders may stumble. */
  readonly isDiscontinuous?: boolean
}

export const SOURCE_SECONDS = 5
/** PTS counts 2^33 / 90 kHz = 95443.7 s. */
const WRAP_SECONDS = 2 ** 33 / 90_000
/** ffmpeg's first timestamp is twice its mux delay. */
const FIRST_SECONDS = 1.4

const far = { startSeconds: 40_000, firstPid: 0x300 }
/** Its timestamps wrap `seconds` after its first picture. */
const wrapsAfter = (seconds: number) => ({ startSeconds: WRAP_SECONDS - FIRST_SECONDS - seconds })

export const seamCases: readonly SeamCase[] = [
  { name: 'same PIDs', parts: seam({ encoding: 'h264' }, { encoding: 'h264', startSeconds: 4_990 }) },
  { name: 'other PIDs, hours apart', parts: seam({ encoding: 'h264' }, { encoding: 'h264', ...far }) },
  {
    name: 'PTS wraps in the output, behind the seam',
    parts: seam({ encoding: 'h264', ...wrapsAfter(3.3) }, { encoding: 'h264', ...far }),
  },
  {
    name: 'PTS wraps in the output, before the seam',
    parts: seam({ encoding: 'h264', ...wrapsAfter(2.7) }, { encoding: 'h264', ...far }),
  },
  {
    name: 'PTS wraps in the next source, at its join',
    parts: seam({ encoding: 'h264' }, { encoding: 'h264', ...wrapsAfter(2.05), firstPid: 0x300 }),
  },
  {
    name: 'PTS wraps on both sides',
    parts: seam({ encoding: 'h264', ...wrapsAfter(3) }, { encoding: 'h264', ...wrapsAfter(1.9), firstPid: 0x300 }),
  },
  {
    name: 'PTS wraps in the next source, PCR without delay',
    parts: seam({ encoding: 'h264' }, { encoding: 'h264', startSeconds: 95_440, muxDelay: 0 }),
  },
  {
    name: 'PCR on its own PID',
    parts: seam({ encoding: 'h264' }, { encoding: 'h264', hasOwnPcrPid: true, ...far }),
  },
  { name: '25 to 50 fps', parts: seam({ encoding: 'h264' }, { encoding: 'h264', fps: 50, ...far }) },
  { name: '50 to 25 fps', parts: seam({ encoding: 'h264', fps: 50 }, { encoding: 'h264', ...far }) },
  { name: 'B pictures to none', parts: seam({ encoding: 'h264' }, { encoding: 'h264 without B', ...far }) },
  {
    name: 'none to a pyramid of B pictures',
    parts: seam({ encoding: 'h264 without B' }, { encoding: 'h264 pyramid' }),
    // What ffprobe calls the DTS of pictures that have none is the PTS of the picture before.
    stepFramesMax: 2,
  },
  { name: 'H.264, open GOP', parts: seam({ encoding: 'h264 open GOP' }, { encoding: 'h264 open GOP', ...far }) },
  {
    name: 'H.264, open GOP, there and back',
    parts: [
      { encoding: 'h264 open GOP', key: 0, until: 0.78 },
      { encoding: 'h264 open GOP', key: 3, until: 1, ...far },
      { encoding: 'h264 open GOP', key: 1, until: 0.61 },
      { encoding: 'h264 open GOP', key: 2, until: 0.9, ...far },
    ],
  },
  { name: 'H.264 and MP2', parts: seam({ encoding: 'h264 and MP2' }, { encoding: 'h264 and MP2', ...far }) },
  { name: 'H.264 and AC-3', parts: seam({ encoding: 'h264 and AC-3' }, { encoding: 'h264 and AC-3', ...far }) },
  { name: 'H.264 and E-AC-3', parts: seam({ encoding: 'h264 and E-AC-3' }, { encoding: 'h264 and E-AC-3', ...far }) },
  { name: 'HEVC and MP2', parts: seam({ encoding: 'hevc' }, { encoding: 'hevc', ...far }) },
  { name: 'HEVC, open GOP', parts: seam({ encoding: 'hevc open GOP' }, { encoding: 'hevc open GOP', ...far }) },
  { name: 'MPEG-2 and AC-3, open GOP', parts: seam({ encoding: 'mpeg2' }, { encoding: 'mpeg2', ...far }) },
  { name: 'MPEG-2, 25 to 50 fps', parts: seam({ encoding: 'mpeg2' }, { encoding: 'mpeg2', fps: 50, ...far }) },
  { name: 'audio only, AAC', parts: seam({ encoding: 'audio only' }, { encoding: 'audio only', ...far }) },
  { name: 'audio only, MP2', parts: seam({ encoding: 'audio only, MP2' }, { encoding: 'audio only, MP2', ...far }) },
  { name: 'cold, H.264 and AAC', parts: coldSeam({ encoding: 'h264' }, { encoding: 'h264', ...far }) },
  { name: 'cold, 25 to 50 fps', parts: coldSeam({ encoding: 'h264' }, { encoding: 'h264', fps: 50, ...far }) },
  {
    name: 'cold, H.264 and MP2',
    parts: coldSeam({ encoding: 'h264 and MP2' }, { encoding: 'h264 and MP2', ...far }),
  },
  { name: 'cold, MPEG-2 and AC-3', parts: coldSeam({ encoding: 'mpeg2' }, { encoding: 'mpeg2', ...far }) },
  {
    name: 'cold, H.264 and E-AC-3',
    parts: coldSeam({ encoding: 'h264 and E-AC-3' }, { encoding: 'h264 and E-AC-3', ...far }),
  },
  {
    name: 'cold, PCR without delay',
    parts: coldSeam({ encoding: 'h264', muxDelay: 0 }, { encoding: 'h264', muxDelay: 0, ...far }),
  },
  {
    name: 'cold, the sound late by 0.6 s',
    parts: lateSeam({ encoding: 'h264' }, { encoding: 'h264', soundDelaySeconds: 0.6, ...far }),
  },
  {
    name: 'cold, AC-3 late by 0.6 s, there and back',
    parts: [
      ...lateSeam({ encoding: 'h264 and AC-3' }, { encoding: 'h264 and AC-3', soundDelaySeconds: 0.6, ...far }, 0.5),
      { encoding: 'h264 and AC-3', key: 1, until: 0.8, isCold: true },
    ],
  },
  {
    name: 'the sound had stopped two seconds before',
    parts: seam({ encoding: 'h264', soundSeconds: 1 }, { encoding: 'h264', ...far }),
    hasHole: true,
  },
  {
    name: 'cold, the sound had stopped two seconds before',
    parts: coldSeam({ encoding: 'h264 and MP2', soundSeconds: 1 }, { encoding: 'h264 and MP2', ...far }),
    hasHole: true,
  },
  {
    name: 'failover and failback',
    parts: [
      { encoding: 'h264', key: 0, until: 0.3 },
      { encoding: 'h264', key: 1, until: 0.7, ...far },
      { encoding: 'h264', key: 3, until: 1 },
    ],
  },
  {
    name: 'three seams in a row',
    parts: [
      { encoding: 'h264', key: 0, until: 0.43 },
      { encoding: 'h264', fps: 50, key: 2, until: 0.8, ...far },
      { encoding: 'h264', key: 1, until: 0.77 },
      { encoding: 'h264 pyramid', key: 2, until: 1 },
    ],
  },
  {
    name: 'H.264 to HEVC',
    parts: seam({ encoding: 'h264' }, { encoding: 'hevc and AAC', ...far }),
    isDiscontinuous: true,
  },
  {
    name: 'AAC to MP2',
    parts: seam({ encoding: 'h264' }, { encoding: 'h264 and MP2', ...far }),
    isDiscontinuous: true,
  },
  {
    name: 'H.264 and AAC to AAC alone',
    parts: seam({ encoding: 'h264' }, { encoding: 'audio only', ...far }),
    isDiscontinuous: true,
  },
  {
    name: 'AAC alone to H.264 and AAC',
    parts: seam({ encoding: 'audio only' }, { encoding: 'h264', ...far }),
    isDiscontinuous: true,
  },
]

/** What ffmpeg is given to make a source; `toneHz` tells the sources apart. */
export function ffmpegArguments(options: SourceOptions, toneHz: number): readonly string[] {
  const { encoding, fps = 25, startSeconds = 0, firstPid = 0x100, muxDelay = 0.7 } = options
  const { soundDelaySeconds = 0, soundSeconds = SOURCE_SECONDS } = options
  const codecs: readonly string[] = encodings[encoding]
  const video = codecs.includes('-c:v') ? ['-f', 'lavfi', '-i', `testsrc2=size=192x108:rate=${fps}`] : []
  const audio = [
    '-itsoffset',
    `${soundDelaySeconds}`,
    '-f',
    'lavfi',
    '-i',
    `sine=frequency=${toneHz}:sample_rate=48000:duration=${soundSeconds}`,
  ]
  const mux = ['-mpegts_start_pid', `${firstPid}`, '-output_ts_offset', `${startSeconds}`, '-muxdelay', `${muxDelay}`]
  return [...video, ...audio, '-t', `${SOURCE_SECONDS}`, '-pix_fmt', 'yuv420p', ...codecs, ...mux]
}

export function hasVideo({ encoding }: SourceOptions): boolean {
  const codecs: readonly string[] = encodings[encoding]
  return codecs.includes('-c:v')
}

function seam(first: SourceOptions, second: SourceOptions): readonly PartOptions[] {
  return [
    { ...first, key: 0, until: 0.61 },
    { ...second, key: 2, until: 1 },
  ]
}

function coldSeam(first: SourceOptions, second: SourceOptions): readonly PartOptions[] {
  return seam(first, second).map((part, index) => ({ ...part, isCold: index > 0 }))
}

/** A seam with the begin of a source. */
function lateSeam(first: SourceOptions, second: SourceOptions, until = 1): readonly PartOptions[] {
  return [
    { ...first, key: 0, until: 0.61 },
    { ...second, key: 0, until, isCold: true },
  ]
}
