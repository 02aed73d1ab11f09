import { z } from 'zod'
import type { AccessControl } from '../../http/access.ts'
import type { HttpRoutes, RouteGroup } from '../../http/server.ts'
import { HoldfastError } from '../../lib/errors.ts'
import type { StreamDefaults } from '../../streams/api/stream-request.ts'
import type { StreamRequest, StreamService, StreamSnapshot } from '../../streams/service.ts'
import { shownArguments } from '../ffmpeg-args.ts'
import { ladderArguments } from '../ladder/ladder-arguments.ts'
import { bestFirst, defaultRungs, SIDE_MAX } from '../ladder/rungs.ts'
import { DEFAULT_VARIABLES } from '../profiles.ts'
import type { ResolvedProfile } from '../profiles.ts'
import type { TranscodingContext } from '../transcoded-stream.ts'
import { toTranscodeRequest, transcodeBody } from './transcode-body.ts'

export interface TranscodeApiOptions {
  readonly streams: StreamService
  readonly transcoding: TranscodingContext
  readonly access: AccessControl
  readonly defaults: StreamDefaults
  /** What sources are told where a request names no other. */
  readonly userAgent: string
}

const createdAnswer = z.object({
  stream_id: z.string(),
  primary_url: z.string(),
  failover_urls: z.array(z.string()),
  user_agent: z.string(),
  stream_type: z.string(),
  stream_endpoint: z.string().meta({ description: 'Path to hand to players, with the viewer token if one is needed' }),
  playlist_url: z.string(),
  direct_url: z.string(),
  format: z.string(),
  profile: z.string(),
  profile_variables: z.record(z.string(), z.string()),
  ffmpeg_args: z.array(z.string()).meta({ description: 'The input is the gateway’s own, on a pipe' }),
  message: z.string(),
  metadata: z.record(z.string(), z.string()).optional(),
})

const profilesAnswer = z.object({
  profiles: z.array(
    z.object({
      name: z.string(),
      description: z.string(),
      parameters: z.string().meta({ description: 'Arguments of ffmpeg with places for variables: {name|default}' }),
    }),
  ),
  hardware_acceleration: z.object({
    available: z.boolean(),
    type: z.string().nullable(),
    device: z.string().nullable(),
    tried: z
      .array(z.object({ type: z.string(), usable: z.boolean(), reason: z.string().nullable() }))
      .meta({ description: 'Each kind of hardware with what a trial of one picture came to (Holdfast only)' }),
  }),
  default_variables: z.record(z.string(), z.string()),
})

const tags = ['transcoding']

/** The routes of m3u-proxy about streams that are encoded anew. */
export function transcodeRoutes(options: TranscodeApiOptions): RouteGroup {
  return {
    access: 'operator',
    errors: 'peer',
    plugin: async (app) => {
      addCreate(app, options)
      addProfiles(app, options)
    },
  }
}

function addCreate(app: HttpRoutes, options: TranscodeApiOptions): void {
  const { streams, transcoding, defaults } = options
  app.post(
    '/transcode',
    {
      schema: {
        summary: 'Create a stream that is encoded anew, or update the one of the same URL, profile and variables',
        tags,
        body: transcodeBody,
        response: { 200: createdAnswer },
      },
    },
    async ({ body }) => {
      const { profiles, processes, program, mayBeRaw, hardware } = transcoding
      const { request, format } = toTranscodeRequest(body, defaults)
      const { transcode } = request
      if (transcode === undefined) throw new HoldfastError('internal_error', 'a request to transcode without a profile')
      // Refused before anything is made: names of profiles first, since that is what can be put right here.
      profiles.resolve({ ...transcode, format, mayBeRaw }, undefined)
      if (!processes.isInstalled(program)) {
        throw new HoldfastError('transcode_unavailable', `${program} is not installed, so nothing can be transcoded`)
      }
      const { used } = await hardware.report()
      const profile = profiles.resolve({ ...transcode, format, mayBeRaw }, used)
      const snapshot = await streams.create({ ...request, transcode: { ...transcode, format: profile.format } })
      return toAnswer(snapshot, profile, options)
    },
  )
}

function toAnswer(
  { streamId, request }: StreamSnapshot,
  profile: ResolvedProfile,
  { access, userAgent }: TranscodeApiOptions,
): z.output<typeof createdAnswer> {
  const isHls = profile.format === 'hls'
  const token = access.viewerToken(streamId)
  const path = isHls ? `/hls/${streamId}/playlist.m3u8` : `/stream/${streamId}`
  const endpoint = token === undefined ? path : `${path}?token=${token}`
  return {
    stream_id: streamId,
    primary_url: request.url,
    failover_urls: [...request.failoverUrls],
    user_agent: request.userAgent ?? userAgent,
    stream_type: 'Transcoding',
    stream_endpoint: endpoint,
    playlist_url: endpoint,
    direct_url: endpoint,
    format: profile.format,
    profile: profile.name,
    profile_variables: { ...request.transcode?.variables },
    ffmpeg_args: [...shownArguments(argumentsOf(profile, request))],
    message: `Transcoded stream created successfully (${profile.name})`,
    ...(Object.keys(request.metadata).length === 0 ? {} : { metadata: request.metadata }),
  }
}

/** What an encoder is told; of a ladder that depends on a source, for a large one. */
function argumentsOf(profile: ResolvedProfile, { transcode }: StreamRequest): ResolvedProfile['arguments'] {
  if (profile.ladder === undefined) return profile.arguments
  const rungs = transcode?.renditions === undefined ? defaultRungs(SIDE_MAX) : bestFirst(transcode.renditions)
  return ladderArguments(profile.arguments, rungs, profile.ladder.lastFilter)
}

function addProfiles(app: HttpRoutes, { transcoding }: TranscodeApiOptions): void {
  app.get(
    '/transcode/profiles',
    {
      schema: {
        summary: 'List the profiles, and the hardware that was found',
        tags,
        response: { 200: profilesAnswer },
      },
    },
    async () => {
      const { profiles, hardware } = transcoding
      const { used, attempts } = await hardware.report()
      return {
        profiles: profiles.list().map(({ name, description, parameters }) => ({ name, description, parameters })),
        hardware_acceleration: {
          available: used !== undefined,
          type: used?.type ?? null,
          device: used?.device ?? null,
          tried: attempts.map(({ type, isUsable, reason }) => ({ type, usable: isUsable, reason: reason ?? null })),
        },
        default_variables: { ...DEFAULT_VARIABLES },
      }
    },
  )
}
