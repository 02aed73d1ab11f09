import type { ServerResponse } from 'node:http'
import { HoldfastError } from '../../lib/errors.ts'
import type { ClientSnapshot, StreamRequest, StreamService, StreamSnapshot, ViewRequest } from '../service.ts'
import type { HlsViewRequest } from '../hls/hls-output.ts'
import { streamIdOf } from '../stream-id.ts'
import { streamKindOf } from '../stream-kind.ts'

/** A streams hall without streams: remembers what was asked of it and answers by the contract of StreamService. */
export interface FakeStreamService extends StreamService {
  readonly views: ViewRequest[]
  readonly hlsRequests: HlsViewRequest[]
  /** Seats a viewer, as if it had connected. */
  seat(streamId: string, clientId: string): void
  change(streamId: string, change: Partial<StreamSnapshot>): void
}

export const FAKE_WALL_MS = Date.UTC(2026, 0, 2, 3, 4, 5, 678)

export function fakeStreamService(): FakeStreamService {
  const streams = new Map<string, StreamSnapshot>()
  let clients: readonly ClientSnapshot[] = []
  const views: ViewRequest[] = []
  const hlsRequests: HlsViewRequest[] = []
  let created = 0
  const existing = (streamId: string): StreamSnapshot => {
    const stream = streams.get(streamId)
    if (stream === undefined) throw new HoldfastError('stream_not_found', 'Stream not found')
    return stream
  }
  const clientsOf = (streamId: string) => clients.filter((client) => client.streamId === streamId).length
  const counted = (stream: StreamSnapshot): StreamSnapshot => ({ ...stream, clientCount: clientsOf(stream.streamId) })
  return {
    views,
    hlsRequests,
    seat: (streamId, clientId) => {
      clients = [...clients, clientOf(streamId, clientId)]
    },
    change: (streamId, change) => {
      streams.set(streamId, { ...existing(streamId), ...change })
    },
    create: async (request) => {
      const streamId = streamIdOf(request.url, 'secret')
      created += 1
      streams.set(streamId, { ...snapshotOf(streamId, request, created), ...streams.get(streamId), request })
      return counted(existing(streamId))
    },
    get: (streamId) => (streams.has(streamId) ? counted(existing(streamId)) : undefined),
    list: () => [...streams.values()].map(counted),
    delete: async (streamId) => {
      clients = clients.filter((client) => client.streamId !== streamId)
      return streams.delete(streamId)
    },
    failover: async (streamId, { target }) => {
      const stream = existing(streamId)
      const urls = [stream.request.url, ...stream.request.failoverUrls]
      if (urls.length === 1) throw new HoldfastError('no_failover_configured', 'No failover mechanism configured')
      const next = (stream.failoverIndex + 1) % urls.length
      const index = typeof target === 'string' ? urls.indexOf(target) : (target ?? next)
      const newUrl = urls[index]
      if (newUrl === undefined) throw new HoldfastError('failover_target_unknown', `${target} is not a source`)
      const failoverAttempts = stream.failoverAttempts + 1
      streams.set(streamId, { ...stream, failoverIndex: index, failoverAttempts, currentUrl: newUrl })
      return { newUrl, failoverIndex: index, failoverAttempts, activeClients: clientsOf(streamId), kind: stream.kind }
    },
    lookAtSources: async (streamId) => existing(streamId),
    clients: () => clients,
    disconnectClient: (streamId, clientId) => {
      const before = clients.length
      clients = clients.filter((client) => client.streamId !== streamId || client.clientId !== clientId)
      return clients.length < before
    },
    view: async (request) => {
      const stream = existing(request.streamId)
      if (stream.request.url.includes('unreachable')) {
        throw new HoldfastError('upstream_unreachable', `http://user:pass@${stream.streamId}/ could not be reached`)
      }
      views.push(request)
      answer(request.response, 'video/mp2t', 'media')
    },
    serveHls: async (request) => {
      existing(request.streamId)
      hlsRequests.push(request)
      answer(request.response, 'application/vnd.apple.mpegurl', '#EXTM3U')
    },
    totals: { bytesServed: 1000, bytesReceived: 500, switches: 3, upstreamConnections: 1, clientsEver: 7 },
  }
}

function answer(response: ServerResponse, contentType: string, body: string): void {
  response.writeHead(200, { 'content-type': contentType }).end(body)
}

function snapshotOf(streamId: string, request: StreamRequest, order: number): StreamSnapshot {
  return {
    streamId,
    kind: streamKindOf(request.url),
    request,
    currentUrl: request.url,
    failoverIndex: 0,
    failoverAttempts: 0,
    lastFailoverWallMs: undefined,
    epoch: 1,
    phase: 'idle',
    isActive: true,
    clientCount: 0,
    totalBytesServed: 0,
    totalSegmentsServed: 0,
    bytesReceived: 0,
    errorCount: 0,
    createdWallMs: FAKE_WALL_MS + order,
    lastAccessWallMs: FAKE_WALL_MS + order,
    sources: request.sources.map((source, index) => ({
      ...source,
      index,
      onAir: index === 0,
      standby: index === 0 ? 'on_air' : 'cold',
      health: 'unknown',
      failures: 0,
      lastFailureReason: undefined,
      lastFailureWallMs: undefined,
      conditions: [],
      unmonitored: [],
      signature: undefined,
    })),
    warnings: [],
    isSlateOn: false,
    upstreamConnections: 0,
  }
}

function clientOf(streamId: string, clientId: string): ClientSnapshot {
  return {
    clientId,
    streamId,
    userAgent: 'VLC/3.0',
    ipAddress: '192.0.2.1',
    username: undefined,
    bytesServed: 10,
    createdWallMs: FAKE_WALL_MS,
    lastAccessWallMs: FAKE_WALL_MS,
    isConnected: true,
    skips: 0,
  }
}
