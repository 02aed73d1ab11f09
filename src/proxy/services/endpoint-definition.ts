import { z } from 'zod'
import {
  booleanField,
  fileField,
  integerField,
  numberField,
  objectField,
  regionField,
  shown,
  textField,
} from './field.ts'

const URL_CHARS_MAX = 2_048

/** TLS to an endpoint. Files are PEM; they are read when the service is made or changed. */
const endpointTls = objectField({
  caFile: fileField().optional().meta({ description: 'Certificates that are trusted instead of the system’s' }),
  certFile: fileField().optional().meta({ description: 'Certificate that we show (mutual TLS)' }),
  keyFile: fileField().optional(),
  serverName: textField(/^[A-Za-z0-9.-]{1,253}$/, 'a host name')
    .optional()
    .meta({
      description: 'Name for SNI and the certificate, if it is not the host of the URL',
    }),
  insecure: booleanField().default(false).meta({ description: 'Takes any certificate' }),
}).refine(({ certFile, keyFile }) => (certFile === undefined) === (keyFile === undefined), {
  error: () => 'certFile and keyFile go together: give both or neither',
})

const endpointUrl = z
  .string({ error: ({ input }) => `must be an http or https URL; it is ${shown(input)}` })
  .max(URL_CHARS_MAX, { error: () => `must be a URL of at most ${URL_CHARS_MAX} characters` })
  .refine(isEndpointUrl, {
    error: ({ input }) =>
      `must be an http or https URL with a host, without user, query and fragment; it is ${shown(input)}`,
  })

function isEndpointUrl(text: string): boolean {
  if (!/^https?:\/\//i.test(text) || !URL.canParse(text)) return false
  const { username, password, search, hash, hostname } = new URL(text)
  return hostname !== '' && username === '' && password === '' && search === '' && hash === ''
}

export const endpointIdField = () =>
  textField(
    /^[A-Za-z0-9][\w.:-]{0,127}$/,
    'letters, digits and . _ : - only, at most 128, and begin with one of the first two',
  )

/** One replica. */
export const endpointDefinition = objectField({
  id: endpointIdField().optional().meta({ description: 'Made of the URL when it is left out' }),
  url: endpointUrl.meta({ description: 'Where it is; its path goes before the path of each request' }),
  priority: numberField({ minimum: -1_000_000, maximum: 1_000_000 })
    .default(0)
    .meta({ description: 'Higher is better' }),
  weight: numberField({ minimum: 0, maximum: 1_000_000 })
    .default(1)
    .meta({ description: 'Share of the requests among equals; 0: only when nothing else is usable' }),
  region: regionField().optional(),
  enabled: booleanField().default(true),
  drain: booleanField().default(false).meta({ description: 'Takes no new requests; those under way end in peace' }),
  maxConcurrency: integerField({ minimum: 1, maximum: 1_000_000, unit: 'requests' }).optional().meta({
    description: 'Requests under way at once; none by default',
  }),
  tls: endpointTls.optional(),
}).refine(({ url, tls }) => tls === undefined || /^https:/i.test(url), {
  error: () => 'tls is for https endpoints; this one is http',
})

type ParsedEndpoint = z.output<typeof endpointDefinition>
export type EndpointDefinition = ParsedEndpoint & { readonly id: string }

/** Gives each endpoint without an id one that is made of its URL, so that it stays when the list is put in another order. */
export function withEndpointIds(endpoints: readonly ParsedEndpoint[]): EndpointDefinition[] {
  const taken = new Set(endpoints.flatMap(({ id }) => (id === undefined ? [] : [id])))
  return endpoints.map((endpoint) => {
    const id = endpoint.id ?? freeId(endpointIdOf(endpoint.url), taken)
    taken.add(id)
    return { ...endpoint, id }
  })
}

/** `http://10.0.0.1:8080/api` is `10.0.0.1:8080-api`. */
export function endpointIdOf(url: string): string {
  const { host, pathname } = new URL(url)
  const text = `${host}${pathname}`.replace(/^\[|\/+$/g, '').replaceAll(/[^\w.:-]+/g, '-')
  return text.slice(0, 120).replace(/^[^A-Za-z0-9]/, 'e')
}

function freeId(wanted: string, taken: ReadonlySet<string>): string {
  if (!taken.has(wanted)) return wanted
  let number = 2
  while (taken.has(`${wanted}-${number}`)) number += 1
  return `${wanted}-${number}`
}
