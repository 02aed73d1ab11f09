import { z } from 'zod'
import { drillScheduleObject, toDrillScheduleObject } from './drill-body.ts'
import type { ClientSnapshot, SourceSnapshot, StreamKind, StreamSnapshot, TranscoderSnapshot } from '../service.ts'

/** A stream as the API shows it: the peer's fields, then our own. */
export const streamObject = z.object({
  stream_id: z.string(),
  original_url: z.string(),
  current_url: z.string(),
  user_agent: z.string().nullable(),
  client_count: z.number(),
  total_bytes_served: z.number(),
  total_segments_served: z.number(),
  error_count: z.number(),
  is_active: z.boolean(),
  has_failover: z.boolean(),
  failover_urls: z.array(z.string()),
  failover_resolver_url: z.string().nullable(),
  failover_index: z.number().meta({ description: '0 is the primary, 1 the first failover URL' }),
  current_failover_index: z
    .number()
    .meta({ description: 'As in m3u-proxy: -1 is the primary, 0 the first failover URL' }),
  failover_attempts: z.number(),
  last_failover_time: z.string().nullable(),
  stream_type: z.string(),
  created_at: z.string(),
  last_access: z.string(),
  metadata: z.record(z.string(), z.string()),
  headers: z.record(z.string(), z.string()),
  strict_live_ts: z.boolean(),
  use_sticky_session: z.boolean(),
  keep_open: z.boolean(),
  seamless: z.boolean(),
  silence: z
    .record(z.string(), z.union([z.boolean(), z.number()]))
    .meta({ description: 'The silence detection fields that the stream was created with' }),
  detect: z
    .record(z.string(), z.string())
    .meta({ description: 'What was chosen for conditions of a source: fail, warn or off' }),
  standby: z.string(),
  failback: z.object({ mode: z.string(), probation_seconds: z.number(), hold_down_seconds: z.number() }),
  slate: z.object({
    enabled: z.boolean(),
    after_seconds: z.number(),
    file: z.string().nullable(),
    text: z.string().nullable(),
  }),
  output_delay_ms: z.number(),
  capture: z.boolean(),
  drill: drillScheduleObject.nullable(),
  warnings: z.array(z.string()).meta({
    description: 'What players would notice of a switch between the sources, as far as they were looked into',
  }),
  slate_on: z.boolean().meta({ description: 'Viewers see a slate now' }),
  phase: z.string().meta({ description: 'idle, starting, live or recovering' }),
  epoch: z.number().meta({ description: 'Goes up by one at each switch' }),
  bytes_received: z.number(),
  upstream_connections: z.number(),
  transcoder: z
    .object({
      profile: z.string(),
      hardware: z.string().nullable(),
      pid: z.number().nullable(),
      started_at: z.string().nullable(),
      restarts: z.number(),
      last_failure: z.string().nullable(),
      speed: z.number().nullable().meta({ description: '1 is real time' }),
      fps: z.number().nullable(),
      frames: z.number().nullable(),
      dropped_frames: z.number().nullable(),
      duplicated_frames: z.number().nullable(),
      bits_per_second: z.number().nullable(),
      input_skips: z.number().meta({ description: 'Times the encoder was too slow and went on at a later keyframe' }),
      renditions: z
        .array(
          z.object({
            index: z.number().meta({ description: 'What ?rendition= of /stream/{id} names' }),
            width: z.number().nullable(),
            height: z.number().nullable(),
            video_bitrate: z.number().meta({ description: 'Bits a second, mean' }),
            audio_bitrate: z.number(),
            profile: z.string().nullable(),
            viewers: z.number().meta({ description: 'Of the continuous stream; players of HLS change between them' }),
          }),
        )
        .nullable()
        .meta({ description: 'Of a ladder, best first; null while the source has not been seen' }),
    })
    .nullable()
    .meta({ description: 'Of a stream that is encoded anew: how its encoder fares' }),
  sources: z.array(
    z.object({
      index: z.number(),
      url: z.string(),
      on_air: z.boolean(),
      standby: z.string().meta({ description: 'on_air, hot, warm or cold' }),
      priority: z.number(),
      weight: z.number(),
      region: z.string().nullable(),
      headers: z.record(z.string(), z.string()),
      user_agent: z.string().nullable(),
      account: z.string().nullable(),
      max_connections: z.number().nullable(),
      health: z.string(),
      failures: z.number(),
      last_failure_reason: z.string().nullable(),
      last_failure_time: z.string().nullable(),
      signature: z.string().nullable().meta({ description: 'Codecs and formats, once it was received' }),
      conditions: z
        .array(
          z.object({
            condition: z.string(),
            action: z.string(),
            message: z.string(),
            since: z.string(),
            evidence: z.record(z.string(), z.unknown()),
          }),
        )
        .meta({ description: 'What is wrong with what it sends now, see docs/DETECTION.md' }),
      unmonitored: z
        .array(z.object({ condition: z.string(), reason: z.string() }))
        .meta({ description: 'Conditions that were asked for and cannot be looked for: no_decoder_free, no_ffmpeg' }),
    }),
  ),
})

export type StreamObject = z.output<typeof streamObject>

export function toStreamObject(stream: StreamSnapshot): StreamObject {
  const { request } = stream
  return {
    stream_id: stream.streamId,
    original_url: request.url,
    current_url: stream.currentUrl,
    user_agent: request.userAgent ?? null,
    client_count: stream.clientCount,
    total_bytes_served: stream.totalBytesServed,
    total_segments_served: stream.totalSegmentsServed,
    error_count: stream.errorCount,
    is_active: stream.isActive,
    has_failover: hasFailover(stream),
    failover_urls: [...request.failoverUrls],
    failover_resolver_url: request.failoverResolverUrl ?? null,
    failover_index: stream.failoverIndex,
    current_failover_index: stream.failoverIndex - 1,
    failover_attempts: stream.failoverAttempts,
    last_failover_time: isoTime(stream.lastFailoverWallMs),
    stream_type: streamTypeOf(stream.kind),
    created_at: new Date(stream.createdWallMs).toISOString(),
    last_access: new Date(stream.lastAccessWallMs).toISOString(),
    metadata: request.metadata,
    headers: request.headers,
    strict_live_ts: request.strictLiveTs,
    use_sticky_session: request.useStickySession,
    keep_open: request.keepOpen,
    seamless: request.seamless,
    silence: request.silence,
    detect: { ...request.detect },
    standby: request.standby,
    failback: {
      mode: request.failback.kind,
      probation_seconds: request.failback.probationMs / 1000,
      hold_down_seconds: request.failback.holdDownMs / 1000,
    },
    slate: {
      enabled: request.slate.isOn,
      after_seconds: request.slate.afterMs / 1000,
      file: request.slate.file ?? null,
      text: request.slate.text ?? null,
    },
    output_delay_ms: request.outputDelayMs,
    capture: request.capture,
    drill: request.drill === undefined ? null : toDrillScheduleObject(request.drill),
    warnings: [...stream.warnings],
    slate_on: stream.isSlateOn,
    phase: stream.phase,
    epoch: stream.epoch,
    bytes_received: stream.bytesReceived,
    upstream_connections: stream.upstreamConnections,
    transcoder: stream.transcoder === undefined ? null : toTranscoderObject(stream.transcoder),
    sources: stream.sources.map(toSourceObject),
  }
}

function toTranscoderObject(transcoder: TranscoderSnapshot): StreamObject['transcoder'] {
  return {
    profile: transcoder.profile,
    hardware: transcoder.hardware ?? null,
    pid: transcoder.pid ?? null,
    started_at: isoTime(transcoder.startedWallMs),
    restarts: transcoder.restarts,
    last_failure: transcoder.lastFailure ?? null,
    speed: transcoder.speed ?? null,
    fps: transcoder.fps ?? null,
    frames: transcoder.frames ?? null,
    dropped_frames: transcoder.droppedFrames ?? null,
    duplicated_frames: transcoder.duplicatedFrames ?? null,
    bits_per_second: transcoder.bitsPerSecond ?? null,
    input_skips: transcoder.inputSkips,
    renditions: transcoder.renditions?.map(toRenditionObject) ?? null,
  }
}

function toRenditionObject(
  rendition: NonNullable<TranscoderSnapshot['renditions']>[number],
  index: number,
): NonNullable<NonNullable<StreamObject['transcoder']>['renditions']>[number] {
  return {
    index,
    width: rendition.width ?? null,
    height: rendition.height ?? null,
    video_bitrate: rendition.videoBitsPerSecond,
    audio_bitrate: rendition.audioBitsPerSecond,
    profile: rendition.codecProfile ?? null,
    viewers: rendition.viewers,
  }
}

function toSourceObject(source: SourceSnapshot): StreamObject['sources'][number] {
  return {
    index: source.index,
    url: source.url,
    on_air: source.onAir,
    standby: source.standby,
    priority: source.priority,
    weight: source.weight,
    region: source.region ?? null,
    headers: source.headers,
    user_agent: source.userAgent ?? null,
    account: source.account?.name ?? null,
    max_connections: source.account?.connectionsMax ?? null,
    health: source.health,
    failures: source.failures,
    last_failure_reason: source.lastFailureReason ?? null,
    last_failure_time: isoTime(source.lastFailureWallMs),
    signature: source.signature ?? null,
    unmonitored: [...source.unmonitored],
    conditions: source.conditions.map(({ condition, action, message, sinceWallMs, evidence }) => ({
      ...{ condition, action, message, evidence },
      since: new Date(sinceWallMs).toISOString(),
    })),
  }
}

export function hasFailover({ request }: StreamSnapshot): boolean {
  return request.sources.length > 1 || request.failoverResolverUrl !== undefined
}

/** The peer's names for the kinds of streams. */
export function streamTypeOf(kind: StreamKind): string {
  switch (kind) {
    case 'live':
      return 'Live Continuous'
    case 'vod':
      return 'VOD'
    case 'hls':
      return 'HLS'
    case 'transcoding':
      return 'Transcoding'
    default:
      return kind satisfies never
  }
}

/** A viewer as the API shows it. */
export const clientObject = z.object({
  client_id: z.string(),
  stream_id: z.string(),
  user_agent: z.string(),
  ip_address: z.string(),
  username: z.string().nullable(),
  bytes_served: z.number(),
  segments_served: z.number(),
  created_at: z.string(),
  last_access: z.string(),
  is_connected: z.boolean(),
  skips: z.number().meta({ description: 'Times the viewer was too slow and jumped forward to a keyframe' }),
})

export type ClientObject = z.output<typeof clientObject>

export function toClientObject(client: ClientSnapshot): ClientObject {
  return {
    client_id: client.clientId,
    stream_id: client.streamId,
    user_agent: client.userAgent,
    ip_address: client.ipAddress,
    username: client.username ?? null,
    bytes_served: client.bytesServed,
    segments_served: client.segmentsServed ?? 0,
    created_at: new Date(client.createdWallMs).toISOString(),
    last_access: new Date(client.lastAccessWallMs).toISOString(),
    is_connected: client.isConnected,
    skips: client.skips,
  }
}

function isoTime(wallMs: number | undefined): string | null {
  return wallMs === undefined ? null : new Date(wallMs).toISOString()
}
