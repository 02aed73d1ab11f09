import { z } from 'zod'
import { endpointDefinition, withEndpointIds } from './endpoint-definition.ts'
import type { EndpointDefinition } from './endpoint-definition.ts'
import {
  addressField,
  booleanField,
  choiceField,
  fileField,
  headerNameField,
  integerField,
  listField,
} from './field.ts'
import { objectField, shown, textField } from './field.ts'
import {
  breakerDefinition,
  ejectionDefinition,
  failbackDefinition,
  healthCheckDefinition,
  healthDefinition,
  hedgeDefinition,
  holdBackDefinition,
  retryDefinition,
  strategyDefinition,
  timeoutsDefinition,
} from './policy-definition.ts'

export const ENDPOINTS_MAX = 256
const ROUTES_MAX = 256
const LISTENERS_MAX = 16
const HEADERS_MAX = 16

/** `shop.example`, `*.example` or an address; a port that a request names is left out of account. */
const hostPattern = /^(?:\*\.)?[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?$|^\[[0-9A-Fa-f:.]{2,45}\]$/

/** Which requests are for a service: all that is given has to fit. */
const routeDefinition = objectField({
  host: textField(hostPattern, 'a host name, or *. and a suffix')
    .transform((host) => host.toLowerCase())
    .optional()
    .meta({ description: 'A host, or *.suffix for all hosts below it; any host when it is left out' }),
  pathPrefix: textField(/^\/[\x21-\x22\x24-\x3e\x40-\x7e]{0,1023}$/, 'a path that begins with /')
    .default('/')
    .meta({ description: 'Whole segments: /api fits /api and /api/x, and not /apis' }),
  headers: z
    .record(headerNameField(), textField(/^[^\0\r\n]{0,1024}$/, 'text of at most 1024 characters'), {
      error: ({ code, input }) =>
        code === 'invalid_key'
          ? 'is not the name of a header field'
          : `must be an object of header fields and their values; it is ${shown(input)}`,
    })
    .refine((headers) => Object.keys(headers).length <= HEADERS_MAX, {
      error: () => `must have at most ${HEADERS_MAX} header fields`,
    })
    .default({})
    .meta({ description: 'Header fields with the value that each must have' }),
})

const listenerDefinition = objectField({
  port: integerField({ minimum: 0, maximum: 65_535 }).meta({ description: '0: any free port' }),
  host: addressField().optional().meta({ description: 'The address of PROXY_HOST by default' }),
  tls: objectField({
    certFile: fileField(),
    keyFile: fileField(),
    clientCaFile: fileField().optional().meta({ description: 'Clients must show a certificate of this authority' }),
  }).optional(),
})

export const serviceIdField = () =>
  textField(/^[a-z0-9][a-z0-9._-]{0,63}$/, 'lower-case letters, digits and . _ - only, at most 64')

const endpointList = listField(endpointDefinition, ENDPOINTS_MAX, 'endpoints')
  .superRefine((endpoints, context) => {
    for (const [index, { id }] of endpoints.entries()) {
      if (id === undefined || endpoints.findIndex((other) => other.id === id) === index) continue
      context.addIssue({
        code: 'custom',
        path: [index, 'id'],
        message: `is ${shown(id)} a second time; ids are unique`,
      })
    }
  })
  .transform((endpoints): EndpointDefinition[] => withEndpointIds(endpoints))

/** All of a service that can be changed. Every field but `endpoints` has a default. */
const serviceShape = {
  name: textField(/^[^\r\n\0]{1,128}$/, 'one line of 1 to 128 characters').optional(),
  enabled: booleanField().default(true).meta({ description: 'Otherwise its requests are answered 503' }),
  public: booleanField().default(true).meta({ description: 'Otherwise a request needs an API key' }),
  routes: listField(routeDefinition, ROUTES_MAX, 'routes').default([]),
  listeners: listField(listenerDefinition, LISTENERS_MAX, 'listeners')
    .default([])
    .meta({ description: 'Ports of its own; it is then not on PROXY_PORT' }),
  stripPrefix: booleanField().default(false).meta({ description: 'Takes the route’s prefix off the path' }),
  hostHeader: choiceField(['keep', 'endpoint'])
    .default('keep')
    .meta({ description: 'The Host that endpoints get: the client’s or their own' }),
  trustForwarded: booleanField()
    .default(false)
    .meta({ description: 'Believes Forwarded and X-Forwarded-* of whoever connects' }),
  strategy: strategyDefinition.default({ kind: 'active_active', loadFactor: 1.25 }),
  endpoints: endpointList,
  healthCheck: healthCheckDefinition.default({ kind: 'none' }),
  health: healthDefinition.prefault({}),
  ejection: ejectionDefinition.prefault({}),
  breaker: breakerDefinition.prefault({}),
  retry: retryDefinition.prefault({}),
  timeouts: timeoutsDefinition.prefault({}),
  holdBack: holdBackDefinition.prefault({}),
  resume: booleanField().default(true).meta({
    description: 'Goes on elsewhere with a larger response that broke off, where it is provably the same',
  }),
  hedge: hedgeDefinition.optional(),
  slowStartMs: integerField({ minimum: 0, maximum: 3_600_000, unit: 'ms' }).default(10_000).meta({
    description: 'An endpoint that has recovered gets its full share after this',
  }),
  failback: failbackDefinition.prefault({}),
  maxConcurrency: integerField({ minimum: 1, maximum: 1_000_000, unit: 'requests' }).optional().meta({
    description: 'Requests of the service under way at once; one more is answered 503',
  }),
  frozenPlaylist: objectField({
    targetDurations: integerField({ minimum: 1, maximum: 100 }).default(3),
    path: textField(/^\/[\x21-\x7e]{0,2047}$/, 'a path that begins with /').meta({
      description: 'A live media playlist that every endpoint has',
    }),
  })
    .optional()
    .meta({ description: 'Fails an endpoint whose live HLS playlist no longer advances' }),
} as const

const isReachable = {
  check: (service: { readonly routes: readonly unknown[]; readonly listeners: readonly unknown[] }) =>
    service.routes.length > 0 || service.listeners.length > 0,
  error: { error: () => 'needs at least one of routes (on PROXY_PORT) and listeners (ports of its own)' },
}

/** What POST and PUT take; POST makes an id where there is none. */
export const serviceBody = objectField({ id: serviceIdField().optional(), ...serviceShape }).refine(
  isReachable.check,
  isReachable.error,
)
/** What a file and the store have. */
export const serviceDefinition = objectField({ id: serviceIdField(), ...serviceShape }).refine(
  isReachable.check,
  isReachable.error,
)

export type ServiceBody = z.output<typeof serviceBody>
/** A service as it is configured: complete, with the defaults filled in. */
export type ServiceDefinition = z.output<typeof serviceDefinition>
export type RouteDefinition = ServiceDefinition['routes'][number]
export type ListenerDefinition = ServiceDefinition['listeners'][number]
export type Strategy = ServiceDefinition['strategy']
