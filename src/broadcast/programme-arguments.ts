import type { BroadcastEncoding } from './broadcast-request.ts'

export interface ProgrammeArguments {
  /** Of the relay; ffmpeg connects nowhere else. */
  readonly inputUrl: string
  readonly seekS: number
  /** 0: until it ends. */
  readonly durationS: number
  readonly segmentS: number
  readonly encoding: BroadcastEncoding | undefined
  /** The source is at its end faster than it is watched, so ffmpeg has to be slowed down. */
  readonly isPaced: boolean
  /** `run3_%06d.ts` */
  readonly filePattern: string
}

/** Descriptor on which ffmpeg lists finished segments, and the one for its progress. */
const SEGMENT_LIST_PIPE = 3
const PROGRESS_PIPE = 4
const PROGRESS_EVERY_S = 0.5
const VAAPI_DEVICE = '/dev/dri/renderD128'

/** ffmpeg's arguments for one programme: segments into the directory that it runs in, each told when it is complete. */
export function programmeArguments(programme: ProgrammeArguments): readonly string[] {
  const { inputUrl, seekS, durationS, segmentS, encoding, isPaced, filePattern } = programme
  return [
    ...['-hide_banner', '-nostdin', '-nostats', '-loglevel', 'error'],
    ...['-progress', `pipe:${PROGRESS_PIPE}`, '-stats_period', `${PROGRESS_EVERY_S}`],
    ...decoding(encoding),
    ...(isPaced ? ['-re'] : []),
    ...(seekS > 0 ? ['-ss', `${seekS}`] : []),
    ...['-protocol_whitelist', 'http,tcp,crypto', '-i', inputUrl],
    ...(durationS > 0 ? ['-t', `${durationS}`] : []),
    ...['-map', '0:V:0?', '-map', '0:a:0?', ...(encoding === undefined ? ['-c', 'copy'] : encoded(encoding, segmentS))],
    ...['-f', 'segment', '-segment_format', 'mpegts', '-segment_time', `${segmentS}`],
    ...['-segment_list', `pipe:${SEGMENT_LIST_PIPE}`, '-segment_list_type', 'csv'],
    // One stream over all segments, so that its continuity counters go on; each begins with its tables all the same.
    // Flushed, because ffmpeg lists a segment before it closes the file, and keeps up to 256 KiB of it to itself until then.
    ...['-individual_header_trailer', '0', '-segment_format_options', 'mpegts_flags=resend_headers:flush_packets=1'],
    filePattern,
  ]
}

function decoding(encoding: BroadcastEncoding | undefined): readonly string[] {
  if (encoding === undefined) return []
  const { hardware, videoCodec } = encoding
  const names: Readonly<Record<string, string>> = { nvenc: 'cuda' }
  return [
    ...(hardware === undefined || hardware === 'none' ? [] : ['-hwaccel', names[hardware] ?? hardware]),
    ...(videoCodec.endsWith('_vaapi') ? ['-vaapi_device', VAAPI_DEVICE] : []),
  ]
}

function encoded(encoding: BroadcastEncoding, segmentS: number): readonly string[] {
  const { videoCodec, audioCodec, videoBitrate, audioKbps, preset } = encoding
  const filters = [
    ...scaling(encoding.resolution),
    ...(videoCodec.endsWith('_vaapi') ? ['format=nv12', 'hwupload'] : ['format=yuv420p']),
  ]
  const video =
    videoCodec === 'copy'
      ? []
      : [
          ...['-vf', filters.join(',')],
          ...(videoBitrate === undefined ? [] : ['-b:v', videoBitrate, '-maxrate', videoBitrate]),
          ...(videoBitrate === undefined ? [] : ['-bufsize', videoBitrate]),
          ...presetFor(videoCodec, preset),
          // Each segment begins with a keyframe, exactly where it should.
          ...['-force_key_frames', `expr:gte(t,n_forced*${segmentS})`],
        ]
  const audio = audioCodec === 'copy' ? [] : ['-b:a', `${audioKbps}k`]
  return ['-c:v', videoCodec, ...video, '-c:a', audioCodec, ...audio]
}

function scaling(resolution: string | undefined): readonly string[] {
  if (resolution === undefined) return []
  const lines = /^(\d+)p$/.exec(resolution)?.[1]
  if (lines !== undefined) return [`scale=-2:${lines}`]
  const [width = '', height = ''] = resolution.split('x')
  return [`scale=${width}:${height}`]
}

/** Encoders other than x264, x265 and NVENC have presets of other names, or none. */
function presetFor(codec: string, preset: string | undefined): readonly string[] {
  if (codec.startsWith('libx26')) return ['-preset', preset === undefined || /^p\d$/.test(preset) ? 'veryfast' : preset]
  return codec.endsWith('_nvenc') && preset !== undefined && /^p\d$/.test(preset) ? ['-preset', preset] : []
}
