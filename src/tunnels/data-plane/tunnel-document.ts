import { failureAnswers } from '../../http/documented-answers.ts'

const METHODS = ['get', 'head', 'post', 'put', 'patch', 'delete', 'options'] as const

const parameters = [
  { name: 'tunnelId', in: 'path', required: true, schema: { type: 'string', format: 'uuid' } },
  { name: 'path', in: 'path', required: true, schema: { type: 'string' } },
]

/** Traffic passes the routes, from which the rest of the OpenAPI document is made. */
export const tunnelTrafficPaths: Readonly<Record<string, object>> = {
  '/t/{tunnelId}/{path}': Object.fromEntries(METHODS.map((method) => [method, operation()])),
}

function operation(): object {
  const failures = failureAnswers('coded')
  return {
    summary: 'A request through a tunnel, to the endpoint that is best now',
    description: 'Method, path, query, body and fields go on; so does the answer. Public tunnels take no key.',
    tags: ['tunnel traffic'],
    parameters,
    security: [{}, { bearer: [] }, { apiToken: [] }, { apiTokenQuery: [] }],
    responses: {
      default: { description: 'Whatever the endpoint answered' },
      ...{ '4XX': failures['4xx'], 503: failures['5xx'] },
    },
  }
}
