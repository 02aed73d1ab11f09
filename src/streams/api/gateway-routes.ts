import { z } from 'zod'
import type { HttpRoutes } from '../../http/server.ts'
import { redactUrlsIn } from '../../lib/redact.ts'
import type { ConnectionTestResult, StreamApiOptions } from './api-options.ts'
import { proxyStats, proxyStatsOf } from './gateway-stats.ts'
import { httpUrl, URL_CHARACTERS_MAX } from '../../http/http-url.ts'

const tags = ['gateway']

const rootAnswer = z.object({
  status: z.string(),
  message: z.string(),
  version: z.string(),
  uptime: z.number(),
  stats: proxyStats,
})

const health = z.object({
  status: z.enum(['healthy', 'unhealthy']),
  root_path: z.string().optional(),
  version: z.string().optional(),
  uptime_seconds: z.number().optional(),
  active_streams: z.number().optional(),
  active_clients: z.number().optional(),
  total_bytes_served: z.number().optional(),
  stats: proxyStats.optional(),
  problems: z.array(z.string()).optional(),
})

/** What the gateway is and whether it is well. `uptimeMs` is how long it has been up. */
export function addGatewayRoutes(app: HttpRoutes, options: StreamApiOptions, uptimeMs: () => number): void {
  const { streams, version, rootPath } = options
  app.get('/', { schema: { summary: 'Status of the gateway', tags, response: { 200: rootAnswer } } }, async () => {
    const stats = proxyStatsOf(streams, uptimeMs())
    return { status: 'running', message: 'Holdfast is running', version, uptime: stats.uptime_seconds, stats }
  })
  app.route({
    method: ['GET', 'HEAD'],
    url: '/health',
    config: { access: 'public' },
    schema: {
      summary: 'Health, in full for operators; 503 when unhealthy',
      tags,
      response: { 200: health, 503: health },
    },
    handler: async (request, reply) => {
      const { isHealthy, problems } = options.health()
      const status = isHealthy ? ('healthy' as const) : ('unhealthy' as const)
      const answer = reply.code(isHealthy ? 200 : 503)
      if (!request.isOperator) return answer.send({ status })
      const stats = proxyStatsOf(streams, uptimeMs())
      return answer.send({
        status,
        root_path: rootPath,
        version,
        uptime_seconds: stats.uptime_seconds,
        active_streams: stats.active_streams,
        active_clients: stats.active_clients,
        total_bytes_served: stats.total_bytes_served,
        stats,
        problems: [...problems],
      })
    },
  })
  app.get('/info', { schema: { summary: 'Versions and configuration, without secrets', tags } }, async () =>
    infoOf(options),
  )
  const hidden = { config: { access: 'public' }, schema: { hide: true } } as const
  app.get('/favicon.ico', hidden, async (_request, reply) => reply.code(204).send())
}

/** The peer's fields, with what is true here: no Redis, no other workers. */
async function infoOf(options: StreamApiOptions): Promise<Readonly<Record<string, unknown>>> {
  const { userAgent, viewerStallMs, graceMs, maxRetries, transcoding } = options.information()
  const { ffmpeg, streamlink, ytdlp } = await options.programVersions()
  return {
    version: options.version,
    ffmpeg_version: ffmpeg ?? null,
    streamlink_version: streamlink ?? null,
    ytdlp_version: ytdlp ?? null,
    ...(transcoding ?? {
      hardware_acceleration: { enabled: false, type: null, device: null, ffmpeg_args: [] },
      transcoding: { enabled: false, profiles: {} },
    }),
    redis: { enabled: false, pooling_enabled: false, host: null, port: null, db: null, sharing_strategy: null },
    configuration: {
      default_user_agent: userAgent,
      client_timeout: viewerStallMs / 1000,
      stream_timeout: graceMs / 1000,
      cleanup_interval: null,
      max_retries: maxRetries,
    },
    worker: { worker_id: 'single', heartbeat_interval: null, multi_worker_mode: false },
    runtime: { node: process.version, platform: process.platform, architecture: process.arch },
  }
}

const testedAnswer = z.object({
  success: z.boolean(),
  message: z.string(),
  status_code: z.number().optional(),
  error: z.string().optional(),
  url_tested: z.string(),
})

/** Whether the gateway reaches an address; 200 with `success` false when it does not. */
export function addConnectionTestRoute(app: HttpRoutes, { testConnection }: StreamApiOptions): void {
  const url = z.string().max(URL_CHARACTERS_MAX, `must have at most ${URL_CHARACTERS_MAX} characters`)
  app.post(
    '/test-connection',
    {
      schema: {
        summary: 'Ask an address from here',
        tags,
        body: z.object({ url }),
        response: { 200: testedAnswer },
      },
    },
    async ({ body }) => {
      const checked = httpUrl.safeParse(body.url)
      const result: ConnectionTestResult = checked.success
        ? await testConnection(checked.data)
        : { kind: 'failed', message: checked.error.issues[0]?.message ?? 'not a URL' }
      return { ...toTestedAnswer(result, body.url), url_tested: body.url }
    },
  )
}

function toTestedAnswer(result: ConnectionTestResult, url: string): Omit<z.output<typeof testedAnswer>, 'url_tested'> {
  switch (result.kind) {
    case 'answered': {
      const success = result.statusCode >= 200 && result.statusCode < 300
      const message = success ? `Successfully connected to ${url}` : 'URL returned non-200 status code'
      return { success, message, status_code: result.statusCode }
    }
    case 'timeout': {
      const message = `Connection timed out after ${result.afterMs / 1000} seconds`
      return { success: false, message, error: message }
    }
    case 'failed':
      return {
        success: false,
        message: `Connection failed: Unable to connect to ${url}`,
        error: redactUrlsIn(result.message),
      }
    default:
      return result satisfies never
  }
}
