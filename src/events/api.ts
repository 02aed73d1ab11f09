import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { mediaAnswer } from '../http/documented-answers.ts'
import type { RouteGroup } from '../http/server.ts'
import { EVENT_TYPES } from './event.ts'
import { toEventMessage } from './event-message.ts'
import type { Journal } from './journal.ts'
import type { LiveEvents } from './live.ts'
import { eventTypeOf, webhookBody } from './webhook.ts'
import type { Webhooks } from './webhooks.ts'

interface EventRouteOptions {
  readonly journal: Pick<Journal, 'history'>
  readonly webhooks: Webhooks
  readonly live: LiveEvents
}

const LIMIT_MAX = 1_000
const LIMIT_DEFAULT = 100

/** Webhooks as in the m3u-proxy API, and the journal: history and live. All for operators. */
export function eventRoutes(options: EventRouteOptions): RouteGroup {
  return {
    access: 'operator',
    errors: 'peer',
    plugin: async (app) => {
      // A listener never ends by itself, and a server that closes waits for its requests.
      app.addHook('preClose', async () => options.live.close())
      await app.register(webhookRoutes(options.webhooks))
      await app.register(journalRoutes(options))
    },
  }
}

const webhookQuery = z.object({ webhook_url: z.string().meta({ description: 'The URL that was registered' }) })
const limit = z.coerce.number().int().min(1).max(LIMIT_MAX).default(LIMIT_DEFAULT)
const message = z.object({ message: z.string() })

const registeredAnswer = z.object({
  message: z.string(),
  webhook_url: z.string(),
  events: z.array(z.string()),
  secret: z.string().optional().meta({ description: 'Key of the signatures, if one was made; shown this once' }),
})

const webhookObject = z.object({
  url: z.string(),
  events: z.array(z.string()),
  timeout: z.number(),
  retry_attempts: z.number(),
  pending: z.number().meta({ description: 'Events that wait to be delivered' }),
  dropped: z.number().meta({ description: 'Events given up because too many waited, since the start' }),
})

const testAnswer = z.object({
  message: z.string(),
  event_id: z.string(),
  success: z.boolean(),
  status_code: z.number().optional(),
  error: z.string().optional(),
  duration_ms: z.number(),
})

const deliveryObject = z.object({
  event_id: z.string(),
  event_type: z.string(),
  attempt: z.number(),
  success: z.boolean(),
  status_code: z.number().optional(),
  error: z.string().optional(),
  duration_ms: z.number(),
  timestamp: z.string(),
})

function webhookRoutes(webhooks: Webhooks): FastifyPluginAsyncZod {
  const tags = ['webhooks']
  return async (app) => {
    app.post(
      '/webhooks',
      { schema: { summary: 'Register a webhook', tags, body: webhookBody, response: { 200: registeredAnswer } } },
      async ({ body }) => {
        const { url, events, headers, timeout, retry_attempts: retryAttempts, secret } = body
        const settings = { url, events, headers, timeoutSeconds: timeout, retryAttempts, secret }
        const { generatedSecret } = await webhooks.register(settings)
        const answer = { message: 'Webhook registered', webhook_url: url, events }
        return generatedSecret === undefined ? answer : { ...answer, secret: generatedSecret }
      },
    )
    app.get(
      '/webhooks',
      {
        schema: {
          summary: 'List webhooks, without their headers and secrets',
          tags,
          response: { 200: z.object({ webhooks: z.array(webhookObject) }) },
        },
      },
      async () => ({
        webhooks: webhooks.list().map(({ webhook, pending, dropped }) => ({
          url: webhook.url,
          events: [...webhook.events],
          timeout: webhook.timeoutSeconds,
          retry_attempts: webhook.retryAttempts,
          pending,
          dropped,
        })),
      }),
    )
    app.delete(
      '/webhooks',
      {
        schema: {
          summary: 'Forget a webhook and what waits for it',
          tags,
          querystring: webhookQuery,
          response: { 200: message },
        },
      },
      async ({ query }) => {
        await webhooks.remove(query.webhook_url)
        return { message: `Webhook ${query.webhook_url} removed` }
      },
    )
    addTestRoutes(app, webhooks, tags)
  }
}

type RouteScope = Parameters<FastifyPluginAsyncZod>[0]

function addTestRoutes(app: RouteScope, webhooks: Webhooks, tags: string[]): void {
  app.post(
    '/webhooks/test',
    {
      schema: {
        summary: 'Send a test event now and say what came of it',
        tags,
        querystring: webhookQuery,
        response: { 200: testAnswer, 502: testAnswer },
      },
    },
    async ({ query }, reply) => {
      const { eventId, attempt } = await webhooks.test(query.webhook_url)
      const success = attempt.kind === 'succeeded'
      return reply.code(success ? 200 : 502).send({
        message: `Test event ${success ? 'delivered' : 'not delivered'} to ${query.webhook_url}`,
        event_id: eventId,
        success,
        ...(attempt.kind === 'failed' ? { error: attempt.error } : { status_code: attempt.status }),
        ...(attempt.kind === 'refused' ? { error: `the receiver answered ${attempt.status}` } : {}),
        duration_ms: attempt.ms,
      })
    },
  )
  app.get(
    '/webhooks/deliveries',
    {
      schema: {
        summary: 'Attempts to deliver, the newest first',
        tags,
        querystring: webhookQuery.extend({ limit }),
        response: { 200: z.object({ webhook_url: z.string(), deliveries: z.array(deliveryObject) }) },
      },
    },
    async ({ query }) => ({
      webhook_url: query.webhook_url,
      deliveries: (await webhooks.deliveries(query.webhook_url, query.limit)).map((delivery) => ({
        event_id: delivery.eventId,
        event_type: delivery.eventType,
        attempt: delivery.attempt,
        success: delivery.outcome.kind === 'succeeded',
        ...(delivery.outcome.kind === 'failed'
          ? { error: delivery.outcome.error }
          : { status_code: delivery.outcome.status }),
        duration_ms: delivery.outcome.ms,
        timestamp: new Date(delivery.atWallMs).toISOString(),
      })),
    }),
  )
}

const eventType = z
  .string()
  .refine((name) => eventTypeOf(name) !== undefined, `must be one of ${EVENT_TYPES.join(', ')}, in lower or upper case`)
  .transform((name) => eventTypeOf(name))
  .meta({ description: `One of ${EVENT_TYPES.join(', ')}` })

const sequence = z.coerce.number().int().min(0).max(Number.MAX_SAFE_INTEGER)
const filterQuery = z.object({ stream_id: z.string().max(256).optional(), type: eventType.optional() })

const eventObject = z.object({
  sequence: z.number(),
  event_id: z.string(),
  event_type: z.string(),
  stream_id: z.string(),
  timestamp: z.string(),
  data: z.record(z.string(), z.unknown()),
})

function journalRoutes({ journal, live }: EventRouteOptions): FastifyPluginAsyncZod {
  const tags = ['events']
  return async (app) => {
    app.get(
      '/events',
      {
        schema: {
          summary: 'The journal: newest first, or from `after` on',
          tags,
          querystring: filterQuery.extend({ after: sequence.optional(), before: sequence.optional(), limit }),
          response: { 200: z.object({ events: z.array(eventObject) }) },
        },
      },
      async ({ query }) => {
        const { stream_id: streamId, type, after, before } = query
        const events = await journal.history({
          limit: query.limit,
          ...(streamId === undefined ? {} : { streamId }),
          ...(type === undefined ? {} : { type }),
          ...(after === undefined ? {} : { after }),
          ...(before === undefined ? {} : { before }),
        })
        return { events: events.map((event) => ({ sequence: event.sequence, ...toEventMessage(event) })) }
      },
    )
    app.get(
      '/events/live',
      {
        schema: {
          summary: 'Events as they happen (server-sent events)',
          description: 'Comes back to where a client was with the header `Last-Event-ID`, or `after` in the query.',
          tags,
          querystring: filterQuery.extend({ after: sequence.optional() }),
          response: { 200: mediaAnswer('Events, until the client goes', ['text/event-stream']) },
        },
      },
      async ({ query, headers }, reply) => {
        const lastSeen = sequence.safeParse(headers['last-event-id'] || undefined)
        const after = lastSeen.success ? lastSeen.data : query.after
        live.serve(reply.raw, { streamId: query.stream_id, type: query.type }, after)
        reply.hijack()
        return reply
      },
    )
  }
}
