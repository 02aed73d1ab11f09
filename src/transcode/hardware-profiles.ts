import { LADDER_PROFILE } from './ladder/rungs.ts'
import type { HardwareChoice } from './profiles.ts'

/** How each kind of hardware names its encoders, and what its pictures need before they get there. */
const ENCODERS = {
  vaapi: { h264: 'h264_vaapi', hevc: 'hevc_vaapi', last: 'format=nv12,hwupload' },
  nvenc: { h264: 'h264_nvenc', hevc: 'hevc_nvenc', last: 'format=yuv420p' },
  qsv: { h264: 'h264_qsv', hevc: 'hevc_qsv', last: 'format=nv12' },
  v4l2m2m: { h264: 'h264_v4l2m2m', hevc: undefined, last: 'format=yuv420p' },
} as const

const KINDS: Readonly<
  Record<
    string,
    { readonly codec: 'h264' | 'hevc'; readonly scale?: string; readonly rate: string; readonly sound: string }
  >
> = {
  default: { codec: 'h264', rate: '2M', sound: '128k' },
  hq: { codec: 'h264', rate: '6M', sound: '192k' },
  lowlatency: { codec: 'h264', rate: '2M', sound: '128k' },
  '720p': { codec: 'h264', scale: 'scale=-2:720', rate: '3M', sound: '128k' },
  '1080p': { codec: 'h264', scale: 'scale=-2:1080', rate: '5M', sound: '128k' },
  hevc: { codec: 'hevc', rate: '2M', sound: '128k' },
}

/** What pictures need before they get into an encoder in silicon. */
export function lastFilterOf({ type }: HardwareChoice): string {
  return ENCODERS[type].last
}

/**
 * A built-in profile for an encoder in silicon; undefined where there is none for it. Pictures are decoded and scaled by
 * the processor: that works with every source, and encoding is what costs most.
 */
export function hardwareParameters(name: string, { type, device }: HardwareChoice): string | undefined {
  if (name === LADDER_PROFILE) return ladderParameters({ type, device })
  const kind = Object.hasOwn(KINDS, name) ? KINDS[name] : undefined
  if (kind === undefined) return undefined
  const { [kind.codec]: encoder, last } = ENCODERS[type]
  if (encoder === undefined) return undefined
  const keyframeSeconds = name === 'lowlatency' ? 1 : 2
  return [
    ...(type === 'vaapi' && device !== undefined ? [`-vaapi_device ${device}`] : []),
    `-c:v ${encoder} -vf ${kind.scale === undefined ? '' : `${kind.scale},`}${last}`,
    `-b:v {video_bitrate|${kind.rate}} -maxrate {video_bitrate|${kind.rate}} -bufsize {video_bitrate|${kind.rate}}`,
    `-bf 0 -force_key_frames expr:gte(t,n_forced*{keyframe_seconds|${keyframeSeconds}})`,
    ...(type === 'nvenc' ? ['-forced-idr 1'] : []),
    ...(kind.codec === 'hevc' ? ['-tag:v hvc1'] : []),
    `-c:a aac -b:a {audio_bitrate|${kind.sound}} -ar 48000 -ac 2`,
  ].join(' ')
}

/** Sizes and bit rates are added for each rendition. */
function ladderParameters({ type, device }: HardwareChoice): string {
  return [
    ...(type === 'vaapi' && device !== undefined ? [`-vaapi_device ${device}`] : []),
    `-c:v ${ENCODERS[type].h264} -bf 0 -force_key_frames expr:gte(t,n_forced*{keyframe_seconds|2})`,
    ...(type === 'nvenc' ? ['-forced-idr 1'] : []),
    '-c:a aac -ar 48000 -ac 2',
  ].join(' ')
}
