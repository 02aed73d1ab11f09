import { z } from 'zod'
import type { RenditionRequest } from '../../streams/service.ts'
import { RENDITIONS_MAX, SIDE_MAX, SIDE_MIN } from '../ladder/rungs.ts'

const VIDEO_BITS_MIN = 50_000
const VIDEO_BITS_MAX = 200_000_000
const AUDIO_BITS_MIN = 16_000
const AUDIO_BITS_MAX = 640_000
const AUDIO_BITS_DEFAULT = 128_000
const MULTIPLES: Readonly<Record<string, number>> = { '': 1, k: 1_000, M: 1_000_000 }

const side = z
  .int('must be a whole number')
  .min(SIDE_MIN, `must be at least ${SIDE_MIN}`)
  .max(SIDE_MAX, `must be at most ${SIDE_MAX}`)
  .refine((value) => value % 2 === 0, 'must be even')
  .nullish()

const bitRate = (min: number, max: number) =>
  z
    .union([z.number(), z.string()], 'must be a number of bits a second, or one with k or M behind it')
    .transform((value, context) => {
      const [, digits, multiple = ''] = /^(\d{1,9}(?:\.\d{1,3})?)([kKM]?)$/.exec(String(value)) ?? []
      const bits = Number(digits) * (MULTIPLES[multiple === 'K' ? 'k' : multiple] ?? Number.NaN)
      if (bits >= min && bits <= max) return Math.round(bits)
      context.addIssue({ code: 'custom', message: `must be from ${min} to ${max} bits a second, such as "3M"` })
      return z.NEVER
    })

const rendition = z
  .object({
    height: side,
    width: side.meta({ description: 'Where only one of both is given, the other follows from the source' }),
    video_bitrate: bitRate(VIDEO_BITS_MIN, VIDEO_BITS_MAX),
    audio_bitrate: bitRate(AUDIO_BITS_MIN, AUDIO_BITS_MAX).nullish(),
    profile: z
      .enum(['baseline', 'main', 'high'], 'must be baseline, main or high')
      .nullish()
      .meta({ description: 'Of H.264' }),
  })
  .refine(({ width, height }) => typeof width === 'number' || typeof height === 'number', {
    message: 'needs a height or a width',
    path: ['height'],
  })

/** `renditions` of POST /transcode. */
export const renditionsBody = z
  .array(rendition)
  .min(1, 'must have at least one rendition')
  .max(RENDITIONS_MAX, `must have at most ${RENDITIONS_MAX} renditions`)

/** The domain's form. */
export function toRenditions(body: z.output<typeof renditionsBody>): readonly RenditionRequest[] {
  return body.map(({ width, height, video_bitrate, audio_bitrate, profile }) => ({
    ...(typeof width === 'number' ? { width } : {}),
    ...(typeof height === 'number' ? { height } : {}),
    videoBitsPerSecond: video_bitrate,
    audioBitsPerSecond: audio_bitrate ?? AUDIO_BITS_DEFAULT,
    ...(typeof profile === 'string' ? { codecProfile: profile } : {}),
  }))
}
