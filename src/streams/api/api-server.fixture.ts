import { createAccess } from '../../http/access.ts'
import type { AccessMode } from '../../http/access.ts'
import { createServer } from '../../http/server.ts'
import type { HttpServer, RouteGroup } from '../../http/server.ts'
import { readConfig } from '../../config/config.ts'
import { systemClock } from '../../lib/clock.ts'
import { silentLog } from '../../lib/log.ts'
import type { StreamApiOptions } from './api-options.ts'
import { fakeStreamService } from './fake-stream-service.fixture.ts'
import type { FakeStreamService } from './fake-stream-service.fixture.ts'
import { streamApi } from './stream-api.ts'

export const TOKEN = 'a-token-for-tests'

interface ApiServerOptions extends Partial<Pick<StreamApiOptions, 'health' | 'testConnection'>> {
  readonly mode?: AccessMode
  readonly requireViewerToken?: boolean
  readonly trustProxy?: boolean
  /** Beside the API's own. */
  readonly groups?: readonly RouteGroup[]
}

/** The whole API over a fake streams hall, not listening. The Host of injected requests is localhost. */
export async function apiServer(
  options: ApiServerOptions = {},
): Promise<{ readonly server: HttpServer; readonly streams: FakeStreamService }> {
  const streams = fakeStreamService()
  const access = createAccess({
    mode: options.mode ?? { kind: 'loopback' },
    requireViewerToken: options.requireViewerToken ?? false,
    secret: 'secret',
  })
  const api = streamApi({
    streams,
    access,
    clock: systemClock,
    version: '0.0.0-test',
    rootPath: '/m3u-proxy',
    defaults: readConfig({}),
    health: options.health ?? (() => ({ isHealthy: true, problems: [] })),
    programVersions: async () => ({ ffmpeg: 'ffmpeg version 5.1', streamlink: 'streamlink 5.2.1', ytdlp: undefined }),
    information: () => ({
      userAgent: 'Default/1.0',
      viewerStallMs: 120_000,
      graceMs: 3_000,
      maxRetries: 3,
    }),
    testConnection: options.testConnection ?? (async () => ({ kind: 'answered', statusCode: 200 })),
  })
  const server = await createServer({
    rootPath: '/m3u-proxy',
    documents: { docsUrl: '/docs', redocUrl: '/redoc', openapiUrl: '/openapi.json' },
    version: '0.0.0-test',
    access,
    trustProxy: options.trustProxy ?? false,
    clock: systemClock,
    log: silentLog,
    groups: [api, ...(options.groups ?? [])],
  })
  return { server, streams }
}
