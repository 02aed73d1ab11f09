import { z } from 'zod'
import { booleanField, choiceField, headerNameField, integerField, kindField, listField, numberField } from './field.ts'
import { networkField, objectField, regionField, textField } from './field.ts'

const HOUR_MS = 3_600_000
const MEBIBYTE = 1_048_576

const milliseconds = (minimum: number, maximum: number) => integerField({ minimum, maximum, unit: 'ms' })
const status = () => integerField({ minimum: 100, maximum: 599 })

/** What of a request chooses its endpoint. */
const hashKey = kindField(
  ['header', 'cookie', 'path', 'client_address'],
  [
    objectField({ kind: z.literal('header'), name: headerNameField() }),
    objectField({ kind: z.literal('cookie'), name: textField(/^[!#$%&'*+.^_`|~\w-]{1,128}$/, 'the name of a cookie') }),
    objectField({ kind: z.literal('path') }),
    objectField({ kind: z.literal('client_address') }),
  ],
)

const regionSource = kindField(
  ['own', 'header', 'client_networks'],
  [
    objectField({ kind: z.literal('own') }),
    objectField({ kind: z.literal('header'), name: headerNameField() }),
    objectField({
      kind: z.literal('client_networks'),
      networks: listField(
        objectField({ network: networkField(), region: regionField() }),
        10_000,
        'networks with their region',
      ),
    }),
  ],
)

/** How requests are given to endpoints. */
export const strategyDefinition = kindField(
  ['active_passive', 'active_active', 'geographic', 'priority_weighted'],
  [
    objectField({ kind: z.literal('active_passive') }),
    objectField({
      kind: z.literal('active_active'),
      hash: hashKey.optional().meta({ description: 'Without it requests go round by weight' }),
      loadFactor: numberField({ minimum: 1, maximum: 100 }).default(1.25).meta({
        description: 'An endpoint with this many times its share of the requests under way is passed over',
      }),
    }),
    objectField({
      kind: z.literal('geographic'),
      region: regionSource
        .default({ kind: 'own' })
        .meta({ description: 'Where a request comes from; own: the REGION of this gateway' }),
      regions: listField(regionField(), 256, 'regions').default([]).meta({ description: 'The order of the others' }),
    }),
    objectField({ kind: z.literal('priority_weighted') }),
  ],
)

const checkTimes = {
  intervalMs: milliseconds(100, HOUR_MS).default(5_000),
  timeoutMs: milliseconds(10, 60_000).default(2_000),
}

/** An active check of every endpoint. Rise and fall count requests too. */
export const healthCheckDefinition = kindField(
  ['http', 'tcp', 'none'],
  [
    objectField({
      kind: z.literal('http'),
      path: textField(/^\/[\x21-\x7e]{0,2047}$/, 'a path that begins with /').default('/health'),
      method: choiceField(['GET', 'HEAD', 'OPTIONS', 'POST']).default('GET'),
      host: textField(/^[A-Za-z0-9.:[\]-]{1,255}$/, 'a host')
        .optional()
        .meta({ description: 'Sent as Host' }),
      ...checkTimes,
      statuses: listField(status(), 100, 'statuses').min(1).default([200]),
      bodyIncludes: textField(/^[^\0]{1,1024}$/, 'text of 1 to 1024 characters').optional(),
    }),
    objectField({ kind: z.literal('tcp'), ...checkTimes }),
    objectField({ kind: z.literal('none') }),
  ],
)

/** When an endpoint counts as unhealthy and as healthy again, by checks and requests together. */
export const healthDefinition = objectField({
  fall: integerField({ minimum: 1, maximum: 100, unit: 'failures' }).default(3),
  rise: integerField({ minimum: 1, maximum: 100, unit: 'successes' }).default(2),
  failureShare: numberField({ minimum: 0.05, maximum: 1 })
    .default(0.5)
    .meta({ description: 'Share of failures among the last 20 outcomes at which an endpoint is unhealthy' }),
  forgetMs: milliseconds(100, HOUR_MS)
    .default(30_000)
    .meta({ description: 'An unhealthy endpoint of which nothing was heard for so long gets a single request' }),
})

/** How many endpoints may be passed over at once. */
export const ejectionDefinition = objectField({
  shareMax: numberField({ minimum: 0, maximum: 1 })
    .default(1)
    .meta({ description: 'Most of the endpoints that may be passed over as unhealthy; one always may' }),
  panicShare: numberField({ minimum: 0, maximum: 1 })
    .default(0)
    .meta({ description: 'With no more usable endpoints than this share all whose circuits are closed are used' }),
})

/** The circuit breaker of each endpoint. */
export const breakerDefinition = objectField({
  failures: integerField({ minimum: 1, maximum: 1_000, unit: 'failures in a row' }).default(5),
  openMs: milliseconds(100, HOUR_MS).default(30_000),
  openFactor: numberField({ minimum: 1, maximum: 10 }).default(2).meta({ description: 'Longer each time it reopens' }),
  openMaxMs: milliseconds(100, 24 * HOUR_MS).default(300_000),
  trials: integerField({ minimum: 1, maximum: 100, unit: 'requests at once' }).default(1),
  successes: integerField({ minimum: 1, maximum: 100, unit: 'successes' }).default(3),
})

const retriableErrors = ['connection_refused', 'connection_reset', 'timeout', 'broken_pipe'] as const

export const retryDefinition = objectField({
  max: integerField({ minimum: 0, maximum: 20, unit: 'retries' }).default(3),
  delayMs: milliseconds(0, 60_000).default(100),
  factor: numberField({ minimum: 1, maximum: 10 }).default(2),
  delayMaxMs: milliseconds(0, 600_000).default(5_000),
  errors: listField(choiceField(retriableErrors), 4, 'errors').default([...retriableErrors]),
  statuses: listField(status(), 100, 'statuses').default([502, 503, 504]),
  budgetShare: numberField({ minimum: 0, maximum: 1 }).default(0.2),
  nonIdempotent: booleanField().default(false).meta({ description: 'Send POST and PATCH again too' }),
  bodyBytesMax: integerField({ minimum: 0, maximum: 64 * MEBIBYTE, unit: 'bytes' })
    .default(65_536)
    .meta({
      description: 'Request bodies up to this length are kept to be sent again',
    }),
})

export const timeoutsDefinition = objectField({
  connectMs: milliseconds(10, 60_000).default(500),
  firstByteMs: milliseconds(10, HOUR_MS).default(15_000),
  idleMs: milliseconds(10, HOUR_MS).default(60_000),
  totalMs: milliseconds(10, HOUR_MS).default(30_000).meta({ description: 'Until the response begins, all attempts' }),
  upgradeIdleMs: milliseconds(10, 24 * HOUR_MS)
    .default(600_000)
    .meta({ description: 'Silence of a WebSocket' }),
})

export const holdBackDefinition = objectField({
  bytesMax: integerField({ minimum: 0, maximum: 16 * MEBIBYTE, unit: 'bytes' })
    .default(65_536)
    .meta({
      description: 'A response up to this length is passed on only when it is complete; 0: at once',
    }),
  knownLengthMs: milliseconds(0, 60_000).default(2_000).meta({ description: 'Then it is passed on unfinished' }),
  unknownLengthMs: milliseconds(0, 60_000).default(50).meta({ description: 'The same without Content-Length' }),
})

export const hedgeDefinition = objectField({
  afterMs: z.union([milliseconds(1, 60_000), z.literal('p95')], {
    error: () => 'must be a whole number from 1 to 60000 (ms) or p95',
  }),
  budgetShare: numberField({ minimum: 0, maximum: 1 }).default(0.1),
})

export const failbackDefinition = objectField({
  mode: choiceField(['auto', 'manual', 'off']).default('auto'),
  probationMs: milliseconds(0, HOUR_MS).default(30_000),
  holdDownMs: milliseconds(0, HOUR_MS).default(60_000),
})
