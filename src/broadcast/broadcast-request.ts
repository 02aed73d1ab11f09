import { z } from 'zod'
import { httpUrl } from '../http/http-url.ts'
import { requestHeaders } from '../http/request-headers.ts'
import { sourceUrl } from '../streams/api/source-url.ts'
import { lenientBoolean, lenientNumber } from '../streams/api/input.ts'

const DAY_S = 86_400
const FAILOVER_URLS_MAX = 20
const METADATA_BYTES_MAX = 16_384

const VIDEO_CODECS = [
  ...['libx264', 'libx265', 'h264_nvenc', 'hevc_nvenc', 'h264_qsv', 'hevc_qsv', 'h264_vaapi', 'hevc_vaapi'],
  ...['h264_videotoolbox', 'hevc_videotoolbox', 'mpeg2video', 'copy'],
] as const
const AUDIO_CODECS = ['aac', 'libfdk_aac', 'ac3', 'eac3', 'mp2', 'libmp3lame', 'copy'] as const
const PRESETS = [
  ...['ultrafast', 'superfast', 'veryfast', 'faster', 'fast', 'medium', 'slow', 'slower', 'veryslow'],
  ...['p1', 'p2', 'p3', 'p4', 'p5', 'p6', 'p7'],
] as const
const HARDWARE = ['none', 'auto', 'cuda', 'nvenc', 'qsv', 'vaapi', 'videotoolbox'] as const

/** Names that clients use beside those of the encoders. */
const VIDEO_ALIASES: Readonly<Record<string, (typeof VIDEO_CODECS)[number]>> = {
  h264: 'libx264',
  x264: 'libx264',
  avc: 'libx264',
  h265: 'libx265',
  x265: 'libx265',
  hevc: 'libx265',
}

const whole = (minimum: number, maximum: number) =>
  lenientNumber.refine((value) => Number.isInteger(value) && value >= minimum && value <= maximum, {
    message: `must be a whole number from ${minimum} to ${maximum}`,
  })

const oneOf = <const Name extends string>(names: readonly Name[], aliases: Readonly<Record<string, Name>> = {}) =>
  z
    .string()
    .transform((text) => aliases[text.toLowerCase()] ?? text.toLowerCase())
    .pipe(z.enum(names, `must be one of ${names.join(', ')}`))

/** `4M`, `4000k`; a number alone is kbit/s. */
const bitrate = z
  .union([z.number(), z.string()])
  .transform(String)
  .refine((text) => /^\d{1,6}(?:\.\d{1,3})?[kKmM]?$/.test(text), 'must be a bit rate: 4M, 4000k, or kbit/s')
  .transform((text) => (/[kKmM]$/.test(text) ? text : `${text}k`))

const resolution = z
  .string()
  .regex(/^(?:\d{2,5}[x:]\d{2,5}|\d{3,4}p)$/, 'must be a size: 1280x720 or 720p')
  .transform((text) => text.replace(':', 'x'))

/** POST /broadcast/{network_id}/start. Unknown fields are ignored; null means not given. */
export const broadcastBody = z.object({
  stream_url: sourceUrl.meta({ description: 'What is played' }),
  failover_urls: z
    .array(sourceUrl)
    .max(FAILOVER_URLS_MAX, `must have at most ${FAILOVER_URLS_MAX} URLs`)
    .nullish()
    .meta({ description: 'Gone on with, at the same place, when it fails (Holdfast only)' }),
  seek_seconds: whole(0, 7 * DAY_S).nullish(),
  duration_seconds: whole(0, 7 * DAY_S)
    .nullish()
    .meta({ description: '0: until it ends' }),
  segment_start_number: whole(0, 1_000_000_000)
    .nullish()
    .meta({ description: 'Number of the first segment of a network without any; otherwise they go on' }),
  add_discontinuity: lenientBoolean
    .nullish()
    .meta({ description: 'Of no effect: a discontinuity is told exactly where the timestamps begin anew' }),
  segment_duration: whole(1, 60).nullish(),
  hls_list_size: whole(3, 1_000).nullish(),
  transcode: lenientBoolean.nullish(),
  video_bitrate: bitrate.nullish(),
  audio_bitrate: whole(16, 1_024).nullish().meta({ description: 'kbit/s' }),
  video_resolution: resolution.nullish(),
  video_codec: oneOf(VIDEO_CODECS, VIDEO_ALIASES).nullish(),
  audio_codec: oneOf(AUDIO_CODECS).nullish(),
  preset: oneOf(PRESETS).nullish(),
  hwaccel: oneOf(HARDWARE).nullish(),
  callback_url: httpUrl.nullish(),
  headers: requestHeaders('Sent to the source').nullish(),
  dvr_mode: lenientBoolean.nullish().meta({ description: 'Every segment is kept' }),
  metadata: z
    .record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()]))
    .refine(
      (value) => JSON.stringify(value).length <= METADATA_BYTES_MAX,
      `must have at most ${METADATA_BYTES_MAX} bytes`,
    )
    .nullish(),
})

/** How pictures and sound are encoded; undefined: they are copied. */
export interface BroadcastEncoding {
  readonly videoCodec: string
  readonly audioCodec: string
  readonly videoBitrate: string | undefined
  readonly audioKbps: number
  /** `1280x720`, or `720p`. */
  readonly resolution: string | undefined
  readonly preset: string | undefined
  readonly hardware: string | undefined
}

/** One programme of a network. */
export interface BroadcastRequest {
  /** In the order in which they are tried; at least one. */
  readonly urls: readonly string[]
  readonly seekS: number
  /** 0: until it ends. */
  readonly durationS: number
  readonly startNumber: number
  readonly segmentS: number
  readonly listSize: number
  readonly encoding: BroadcastEncoding | undefined
  readonly callbackUrl: string | undefined
  readonly headers: Readonly<Record<string, string>>
  readonly isRecording: boolean
  readonly metadata: Readonly<Record<string, string | number | boolean | null>>
}

const SEGMENT_S = 6
const LIST_SIZE = 20
const AUDIO_KBPS = 192

/** The domain's form of a validated body. */
export function toBroadcastRequest(body: z.output<typeof broadcastBody>): BroadcastRequest {
  return {
    urls: [body.stream_url, ...(body.failover_urls ?? [])],
    seekS: body.seek_seconds ?? 0,
    durationS: body.duration_seconds ?? 0,
    startNumber: body.segment_start_number ?? 0,
    segmentS: body.segment_duration ?? SEGMENT_S,
    listSize: body.hls_list_size ?? LIST_SIZE,
    encoding:
      body.transcode === true
        ? {
            videoCodec: body.video_codec ?? 'libx264',
            audioCodec: body.audio_codec ?? 'aac',
            videoBitrate: body.video_bitrate ?? undefined,
            audioKbps: body.audio_bitrate ?? AUDIO_KBPS,
            resolution: body.video_resolution ?? undefined,
            preset: body.preset ?? undefined,
            hardware: body.hwaccel ?? undefined,
          }
        : undefined,
    callbackUrl: body.callback_url ?? undefined,
    headers: body.headers ?? {},
    isRecording: body.dvr_mode ?? false,
    metadata: body.metadata ?? {},
  }
}
