import { fastifySwagger } from '@fastify/swagger'
import { fastifySwaggerUi } from '@fastify/swagger-ui'
import type { FastifyInstance, FastifyRequest, FastifySchema } from 'fastify'
import { jsonSchemaTransform } from 'fastify-type-provider-zod'
import type { DirectTraffic } from './direct-traffic.ts'
import { failureAnswers } from './documented-answers.ts'
import type { RouteGroup } from './server.ts'

/** Where the documents are; '' for none. */
export interface DocumentPaths {
  readonly docsUrl: string
  readonly redocUrl: string
  readonly openapiUrl: string
}

interface Documentation {
  readonly documents: DocumentPaths
  readonly version: string
  readonly rootPath: string
  readonly direct?: Pick<DirectTraffic, 'documentedPaths'>
  readonly addGroup: (group: RouteGroup) => Promise<void>
}

const OPERATOR_SECURITY = [{ bearer: [] }, { apiToken: [] }, { apiTokenQuery: [] }]

/** Without upgrade-insecure-requests, which would break the page where the gateway is reached over plain HTTP. */
const DOCS_CSP =
  "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; base-uri 'self'; object-src 'none'; frame-ancestors 'none'"

/** What OpenAPI calls the rest of a path, for which Fastify has a star. */
const REST = 'path'

/** The OpenAPI 3.1 document, made from the schemas of the routes, and the page that shows it. */
export async function registerDocuments(app: FastifyInstance, documentation: Documentation): Promise<void> {
  const { documents, version, rootPath, direct, addGroup } = documentation
  await app.register(fastifySwagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Holdfast', version, description: 'Keeps live channels on the air when their source fails.' },
      servers: [{ url: '/' }, ...(rootPath === '' ? [] : [{ url: rootPath }])],
      paths: { ...direct?.documentedPaths },
      components: {
        securitySchemes: {
          bearer: { type: 'http', scheme: 'bearer' },
          apiToken: { type: 'apiKey', in: 'header', name: 'X-API-Token' },
          apiTokenQuery: { type: 'apiKey', in: 'query', name: 'api_token' },
        },
      },
    },
    transform: (document) => {
      const transformed = jsonSchemaTransform(document)
      // There is none where a route has none, whatever its type says.
      const schema: Partial<FastifySchema> = { ...transformed.schema }
      const { access, errors = 'peer' } = document.route.config ?? {}
      const needsKey = access === 'operator' || access === 'account'
      return {
        url: transformed.url.replace(/\*$/, `:${REST}`),
        schema: {
          ...schema,
          params: withNamedRest(schema.params),
          response: { ...(schema.response ?? { 200: { description: 'Done' } }), ...failureAnswers(errors) },
          ...(needsKey ? { security: OPERATOR_SECURITY } : {}),
        },
      }
    },
  })
  await addGroup({ access: 'public', plugin: async (scope) => addDocumentRoutes(scope, documentation) })
  if (documents.docsUrl !== '') {
    await addGroup({ access: 'public', plugin: async (scope) => addDocsPage(scope, documentation) })
  }
}

function addDocumentRoutes(app: FastifyInstance, { documents, rootPath }: Documentation): void {
  const { docsUrl, redocUrl, openapiUrl } = documents
  if (openapiUrl !== '') app.get(openapiUrl, { schema: { hide: true } }, async () => app.swagger())
  if (redocUrl === '' || docsUrl === '') return
  app.get(redocUrl, { schema: { hide: true } }, async (request, reply) =>
    reply.redirect(`${prefixOf(request, rootPath)}${docsUrl}/`),
  )
}

async function addDocsPage(app: FastifyInstance, { documents, rootPath }: Documentation): Promise<void> {
  const { docsUrl } = documents
  // The page names its parts relative to itself, which takes the slash at the end to work under any prefix.
  app.addHook('onRequest', async (request, reply) => {
    if (request.url.split('?')[0] !== docsUrl) return undefined
    return reply.redirect(`${prefixOf(request, rootPath)}${docsUrl}/`)
  })
  await app.register(fastifySwaggerUi, { routePrefix: docsUrl, staticCSP: DOCS_CSP })
}

/** The root path if the request came in under it. */
function prefixOf(request: FastifyRequest, rootPath: string): string {
  return request.originalUrl.startsWith(`${rootPath}/`) ? rootPath : ''
}

/** JSON schema of a path's parameters, with the star under the name that it has in the document's path. */
function withNamedRest(params: unknown): unknown {
  return typeof params === 'object' && params !== null && '*' in (Reflect.get(params, 'properties') ?? {})
    ? (JSON.parse(JSON.stringify(params).replaceAll('"*"', JSON.stringify(REST))) as unknown)
    : params
}
