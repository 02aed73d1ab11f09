import { fastifySwagger } from '@fastify/swagger'
import { fastifySwaggerUi } from '@fastify/swagger-ui'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { jsonSchemaTransform } from 'fastify-type-provider-zod'
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
  readonly addGroup: (group: RouteGroup) => Promise<void>
}

const OPERATOR_SECURITY = [{ bearer: [] }, { apiToken: [] }, { apiTokenQuery: [] }]

/** Without upgrade-insecure-requests, which would break the page where the gateway is reached over plain HTTP. */
const DOCS_CSP =
  "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; base-uri 'self'; object-src 'none'; frame-ancestors 'none'"

/** The OpenAPI 3.1 document, made from the schemas of the routes, and the page that shows it. */
export async function registerDocuments(app: FastifyInstance, documentation: Documentation): Promise<void> {
  const { documents, version, rootPath, addGroup } = documentation
  await app.register(fastifySwagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Holdfast', version, description: 'Keeps live channels on the air when their source fails.' },
      servers: [{ url: '/' }, ...(rootPath === '' ? [] : [{ url: rootPath }])],
      components: {
        securitySchemes: {
          bearer: { type: 'http', scheme: 'bearer' },
          apiToken: { type: 'apiKey', in: 'header', name: 'X-API-Token' },
          apiTokenQuery: { type: 'apiKey', in: 'query', name: 'api_token' },
        },
      },
    },
    transform: (document) => {
      const { schema, url } = jsonSchemaTransform(document)
      const access = document.route.config?.access
      const needsKey = access === 'operator' || access === 'account'
      return { schema: needsKey ? { ...schema, security: OPERATOR_SECURITY } : schema, url }
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
