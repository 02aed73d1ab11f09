import { z } from 'zod'
import type { HttpRoutes } from '../../http/server.ts'
import type { StreamService, StreamSnapshot } from '../service.ts'
import type { StreamApiOptions } from './api-options.ts'
import { clientId, lenientBoolean } from './input.ts'
import { streamTypeOf } from './stream-object.ts'

/** Values that one request may ask counts for. */
const VALUES_MAX = 1000

const field = z.string().min(1).max(1024).meta({ description: 'Metadata key' })
const value = z.string().max(1024).meta({ description: 'Its value' })
const activeOnly = lenientBoolean.default(true).meta({ description: 'Only streams that somebody watches' })
const excludeChannelId = z
  .string()
  .max(1024)
  .optional()
  .meta({ description: 'Leave alone streams whose metadata id is this' })

const tags = ['streams']

const matchAnswer = z.object({
  filter: z.object({ field: z.string(), value: z.string() }),
  active_only: z.boolean(),
  matching_streams: z.array(
    z.object({
      stream_id: z.string(),
      client_count: z.number(),
      metadata: z.record(z.string(), z.string()),
      last_access: z.string(),
      is_active: z.boolean(),
      url: z.string(),
      stream_type: z.string(),
    }),
  ),
  total_matching: z.number(),
  total_clients: z.number(),
})

const skippedStream = z.object({ stream_id: z.string(), reason: z.string() })
const deletedAnswer = z.object({
  message: z.string(),
  deleted_streams: z.array(z.string()),
  skipped_streams: z.array(skippedStream),
  deleted_count: z.number(),
})
const oldestAnswer = z.object({
  message: z.string(),
  deleted_stream: z.string().nullable(),
  stream_age_seconds: z.number().nullable(),
  deleted_count: z.number(),
})

/** Finding and ending streams by what their creator wrote on them, for limits of connections. */
export function addMetadataRoutes(app: HttpRoutes, options: StreamApiOptions): void {
  addReadingRoutes(app, options.streams)
  addOldestRoute(app, options)
  addDeletionRoute(app, options.streams)
}

function addReadingRoutes(app: HttpRoutes, streams: StreamService): void {
  app.get(
    '/streams/by-metadata',
    {
      schema: {
        summary: 'Find streams by a metadata value',
        tags,
        querystring: z.object({ field, value, active_only: activeOnly }),
        response: { 200: matchAnswer },
      },
    },
    async ({ query }) => {
      const found = matching(streams, query.field, query.value).filter((stream) => isWanted(stream, query.active_only))
      return {
        filter: { field: query.field, value: query.value },
        active_only: query.active_only,
        matching_streams: found.map(toMatch),
        total_matching: found.length,
        total_clients: found.reduce((sum, { clientCount }) => sum + clientCount, 0),
      }
    },
  )
  app.get(
    '/streams/counts-by-metadata',
    {
      schema: {
        summary: 'Count streams for each of several metadata values',
        tags,
        querystring: z.object({
          field,
          values: z.string().max(16_384).meta({ description: 'Separated by commas' }),
          active_only: activeOnly,
        }),
        response: { 200: z.object({ field: z.string(), counts: z.record(z.string(), z.number()) }) },
      },
    },
    async ({ query }) => {
      const wanted = query.values.split(',', VALUES_MAX).map((text) => text.trim())
      const counts = new Map(wanted.filter((text) => text !== '').map((text) => [text, 0]))
      for (const stream of streams.list()) {
        const found = metadataOf(stream, query.field)
        const count = found === undefined ? undefined : counts.get(found)
        if (found !== undefined && count !== undefined && isWanted(stream, query.active_only))
          counts.set(found, count + 1)
      }
      return { field: query.field, counts: Object.fromEntries(counts) }
    },
  )
}

function addOldestRoute(app: HttpRoutes, { streams, clock }: StreamApiOptions): void {
  app.delete(
    '/streams/oldest-by-metadata',
    {
      schema: {
        summary: 'End the oldest stream with a metadata value: the latest wins',
        tags,
        querystring: z.object({ field, value, exclude_channel_id: excludeChannelId }),
        response: { 200: oldestAnswer },
      },
    },
    async ({ query }) => {
      const [oldest] = matching(streams, query.field, query.value)
        .filter((stream) => !isExcluded(stream, query.exclude_channel_id))
        .toSorted((a, b) => a.createdWallMs - b.createdWallMs)
      const isDeleted = oldest !== undefined && (await streams.delete(oldest.streamId, 'oldest_stream_deletion'))
      if (!isDeleted) {
        const message = `No streams found matching ${query.field}=${query.value}`
        return { message, deleted_stream: null, stream_age_seconds: null, deleted_count: 0 }
      }
      return {
        message: `Deleted oldest stream matching ${query.field}=${query.value}`,
        deleted_stream: oldest.streamId,
        stream_age_seconds: (clock.wallMs() - oldest.createdWallMs) / 1000,
        deleted_count: 1,
      }
    },
  )
}

function addDeletionRoute(app: HttpRoutes, streams: StreamService): void {
  const deletion = z.object({
    field,
    value,
    exclude_channel_id: excludeChannelId,
    force: lenientBoolean.default(true).meta({ description: 'false: leave alone what others still watch' }),
    client_id: clientId.optional().meta({ description: 'With force=false: the client that leaves' }),
  })
  app.delete(
    '/streams/by-metadata',
    {
      schema: {
        summary: 'End every stream with a metadata value',
        tags,
        querystring: deletion,
        response: { 200: deletedAnswer },
      },
    },
    async ({ query }) => {
      const deleted: string[] = []
      const skipped: z.output<typeof skippedStream>[] = []
      for (const stream of matching(streams, query.field, query.value)) {
        const { streamId } = stream
        const reason = reasonToSkip(streams, stream, query)
        if (reason !== undefined) skipped.push({ stream_id: streamId, reason })
        else if (await streams.delete(streamId, 'metadata_filter_deletion')) deleted.push(streamId)
      }
      return {
        message: `Deleted ${deleted.length} stream(s) matching ${query.field}=${query.value}`,
        deleted_streams: deleted,
        skipped_streams: skipped,
        deleted_count: deleted.length,
      }
    },
  )
}

interface DeletionQuery {
  readonly exclude_channel_id?: string | undefined
  readonly force: boolean
  readonly client_id?: string | undefined
}

/** With `force=false` the client that leaves is disconnected, and the stream ends only if nobody else watches it. */
function reasonToSkip(streams: StreamService, stream: StreamSnapshot, query: DeletionQuery): string | undefined {
  if (isExcluded(stream, query.exclude_channel_id)) return 'excluded_by_channel_id'
  if (query.force) return undefined
  const viewers = streams.clients().filter(({ streamId }) => streamId === stream.streamId)
  const others = viewers.filter((viewer) => viewer.clientId !== query.client_id)
  if (others.length === 0) return undefined
  if (query.client_id !== undefined && others.length < viewers.length) {
    streams.disconnectClient(stream.streamId, query.client_id)
  }
  return 'has_active_clients'
}

function matching(streams: StreamService, key: string, wanted: string): readonly StreamSnapshot[] {
  return streams.list().filter((stream) => metadataOf(stream, key) === wanted)
}

function metadataOf({ request }: StreamSnapshot, key: string): string | undefined {
  return Object.hasOwn(request.metadata, key) ? request.metadata[key] : undefined
}

function isExcluded(stream: StreamSnapshot, channelId: string | undefined): boolean {
  return channelId !== undefined && channelId !== '' && metadataOf(stream, 'id') === channelId
}

function isWanted({ clientCount }: StreamSnapshot, isActiveOnly: boolean): boolean {
  return !isActiveOnly || clientCount > 0
}

function toMatch(stream: StreamSnapshot): z.output<typeof matchAnswer>['matching_streams'][number] {
  return {
    stream_id: stream.streamId,
    client_count: stream.clientCount,
    metadata: stream.request.metadata,
    last_access: new Date(stream.lastAccessWallMs).toISOString(),
    is_active: stream.isActive,
    url: stream.currentUrl,
    stream_type: streamTypeOf(stream.kind),
  }
}
