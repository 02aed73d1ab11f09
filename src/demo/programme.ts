/** What one source of the demo shows and sounds like, so that a switch can be seen and heard. */
export interface Programme {
  /** As it is burnt into the picture and named in the log. */
  readonly name: string
  readonly path: string
  /** A lavfi source of ffmpeg. */
  readonly pattern: string
  readonly labelColour: string
  readonly toneHz: number
  /** How many squares mark the source where ffmpeg cannot write text. */
  readonly marks: number
}

export const programmes: readonly Programme[] = [
  { name: 'PRIMARY', path: '/primary.ts', pattern: 'testsrc2', labelColour: '0x1565c0', toneHz: 440, marks: 1 },
  { name: 'BACKUP 1', path: '/backup-1.ts', pattern: 'smptehdbars', labelColour: '0x2e7d32', toneHz: 554, marks: 2 },
  { name: 'BACKUP 2', path: '/backup-2.ts', pattern: 'rgbtestsrc', labelColour: '0xad1457', toneHz: 659, marks: 3 },
]

export const VIDEO_PID = 0x100
const FRAMES_PER_SECOND = 25
const SIZE = '640x360'

/** Arguments for an ffmpeg that writes the programme to its standard output, in real time and without end. */
export function encoderArguments(programme: Programme, canWriteText: boolean): readonly string[] {
  const filters = canWriteText ? label(programme) : squares(programme)
  return [
    ...['-hide_banner', '-loglevel', 'error', '-nostdin'],
    ...['-re', '-f', 'lavfi', '-i', `${programme.pattern}=size=${SIZE}:rate=${FRAMES_PER_SECOND}`],
    ...['-re', '-f', 'lavfi', '-i', `sine=frequency=${programme.toneHz}:sample_rate=48000`],
    ...['-filter:v', [...filters, 'format=yuv420p'].join(','), '-filter:a', 'volume=0.1'],
    ...['-c:v', 'libx264', '-preset', 'ultrafast', '-tune', 'zerolatency', '-threads', '1'],
    ...['-b:v', '1500k', '-maxrate', '1500k', '-bufsize', '1500k', '-g', `${FRAMES_PER_SECOND}`, '-sc_threshold', '0'],
    ...['-c:a', 'aac', '-b:a', '96k'],
    ...['-f', 'mpegts', '-mpegts_flags', '+pat_pmt_at_frames', '-mpegts_start_pid', `${VIDEO_PID}`],
    ...['-muxdelay', '0', '-muxpreload', '0', '-flush_packets', '1', 'pipe:1'],
  ]
}

/** Arguments that make ffmpeg write one picture with text to nowhere: they succeed where it has a font. */
export const textProbeArguments: readonly string[] = [
  ...['-hide_banner', '-loglevel', 'error', '-nostdin', '-f', 'lavfi', '-i', 'color=size=64x64'],
  ...['-filter:v', 'drawtext=text=a', '-frames:v', '1', '-f', 'null', '-'],
]

function label({ name, labelColour }: Programme): readonly string[] {
  const box = `fontcolor=white:box=1:boxborderw=14:boxcolor=${labelColour}`
  return [
    `drawtext=text='${name}':fontsize=56:x=(w-text_w)/2:y=h*0.30:${box}`,
    `drawtext=text='%{localtime\\:%T}  %{pts\\:hms}':fontsize=26:x=(w-text_w)/2:y=h*0.62:${box}`,
  ]
}

function squares({ labelColour, marks }: Programme): readonly string[] {
  const backdrop = `drawbox=x=30:y=130:w=${marks * 100 + 20}:h=120:color=${labelColour}:t=fill`
  const each = Array.from({ length: marks }, (_, at) => `drawbox=x=${50 + at * 100}:y=150:w=80:h=80:color=white:t=fill`)
  return [backdrop, ...each]
}
