import { z } from 'zod'
import { HoldfastError } from '../../lib/errors.ts'
import { streamRequestBody, toAllowedRequest } from '../../streams/api/stream-request.ts'
import type { StreamDefaults } from '../../streams/api/stream-request.ts'
import type { StreamRequest } from '../../streams/service.ts'
import { streamKindOf } from '../../streams/stream-kind.ts'
import { LADDER_PROFILE } from '../ladder/rungs.ts'
import { TEMPLATE_CHARACTERS_MAX } from '../profile-template.ts'
import { renditionsBody, toRenditions } from './rendition-body.ts'

const FORMATS = ['mpegts', 'ts', 'hls'] as const

const profileText = z
  .string()
  .min(1, 'must not be empty')
  .max(TEMPLATE_CHARACTERS_MAX, `must have at most ${TEMPLATE_CHARACTERS_MAX} characters`)

/** POST /transcode: what POST /streams takes, and what is to be made of it. */
export const transcodeBody = streamRequestBody.and(
  z
    .object({
      profile: profileText.nullish().meta({
        description:
          'A name of GET /transcode/profiles; or arguments of ffmpeg that begin with "-", where that is enabled',
      }),
      profile_variables: z
        .record(z.string(), z.union([z.string(), z.number().transform(String)], 'must be a text or a number'))
        .nullish()
        .meta({ description: 'Values for the places of the profile, such as video_bitrate: "3M"' }),
      output_format: z
        .enum(FORMATS, `must be one of ${FORMATS.join(', ')}`)
        .nullish()
        .meta({ description: 'What `stream_endpoint` leads to; the stream can be had both ways' }),
      renditions: renditionsBody
        .nullish()
        .meta({ description: 'What the profile `ladder` makes; without them what suits the source' }),
    })
    .refine(({ profile, renditions }) => renditions === undefined || renditions === null || isLadder(profile), {
      message: `need the profile ${LADDER_PROFILE}`,
      path: ['renditions'],
    }),
)

function isLadder(profile: string | null | undefined): boolean {
  return profile === undefined || profile === null || profile === LADDER_PROFILE
}

type Body = z.output<typeof transcodeBody>

/** The domain's form of a validated body; `format` as the body has it. Throws not_implemented_yet for films, and
 * as `toAllowedRequest` does. */
export function toTranscodeRequest(
  body: Body,
  defaults: StreamDefaults,
): { readonly request: StreamRequest; readonly format: 'mpegts' | 'hls' | undefined } {
  const request = toAllowedRequest(body, defaults)
  if (streamKindOf(request.url) === 'vod') {
    const message = 'Live streams are transcoded, films are not; POST /streams serves a film as it is'
    throw new HoldfastError('not_implemented_yet', message)
  }
  const asked = body.output_format ?? undefined
  const format = asked === 'ts' ? 'mpegts' : asked
  const renditions = body.renditions ?? undefined
  const transcode = {
    profile: body.profile ?? (renditions === undefined ? 'default' : LADDER_PROFILE),
    variables: body.profile_variables ?? {},
    ...(renditions === undefined ? {} : { renditions: toRenditions(renditions) }),
  }
  return { request: { ...request, transcode: { ...transcode, format: format ?? 'mpegts' } }, format }
}
