import { z } from 'zod'
import type { HttpRoutes } from '../../../http/server.ts'
import { HoldfastError } from '../../../lib/errors.ts'
import { endpointDefinition } from '../endpoint-definition.ts'
import type { LiveService } from '../live-service.ts'
import { mergePatch } from '../merge-patch.ts'
import type { ServiceDefinition } from '../service-definition.ts'
import { endpointPath, ownerOf, servicePath, tags } from './answers.ts'
import type { ServiceApiOptions } from './answers.ts'
import { endpointStatus, toEndpointStatus } from './service-object.ts'

const patchBody = z.record(z.string(), z.unknown()).meta({ description: 'Fields to change (RFC 7396)' })
const one = { 200: endpointStatus }

export function addEndpointRoutes(app: HttpRoutes, options: ServiceApiOptions): void {
  addListRoutes(app, options)
  addEditRoutes(app, options)
  addOrderRoutes(app, options)
}

function addListRoutes(app: HttpRoutes, { services, clock }: ServiceApiOptions): void {
  app.get(
    '/api/services/:serviceId/endpoints',
    {
      schema: {
        ...{ summary: 'List the endpoints of a service with their health', tags, params: servicePath },
        response: { 200: z.object({ endpoints: z.array(endpointStatus) }) },
      },
    },
    async ({ params }) => ({
      endpoints: services.get(params.serviceId).endpoints.map((endpoint) => toEndpointStatus(endpoint, clock)),
    }),
  )
  app.get(
    '/api/services/:serviceId/endpoints/:endpointId',
    { schema: { summary: 'Read an endpoint with its health', tags, params: endpointPath, response: one } },
    async ({ params }) => shown(services.get(params.serviceId), params.endpointId, clock),
  )
}

function addEditRoutes(app: HttpRoutes, { services, clock }: ServiceApiOptions): void {
  app.post(
    '/api/services/:serviceId/endpoints',
    {
      schema: {
        ...{ summary: 'Add an endpoint', tags, params: servicePath, body: endpointDefinition },
        response: { 201: endpointStatus },
      },
    },
    async (request, reply) => {
      const { params, body } = request
      const service = await services.edit(ownerOf(request), params.serviceId, (definition) => ({
        ...definition,
        endpoints: [...definition.endpoints, body],
      }))
      const added = service.definition.endpoints.at(-1)
      return reply.code(201).send(shown(service, added?.id ?? '', clock))
    },
  )
  app.patch(
    '/api/services/:serviceId/endpoints/:endpointId',
    {
      schema: {
        ...{ summary: 'Change some of an endpoint; its health stays', tags, params: endpointPath, body: patchBody },
        response: one,
      },
    },
    async (call) => {
      const { params, body } = call
      const change = (endpoint: unknown) => mergePatch(endpoint, { ...body, id: params.endpointId })
      const service = await services.edit(ownerOf(call), params.serviceId, changing(params.endpointId, change))
      return shown(service, params.endpointId, clock)
    },
  )
  app.delete(
    '/api/services/:serviceId/endpoints/:endpointId',
    {
      schema: {
        ...{ summary: 'Take an endpoint away; its requests under way go on', tags, params: endpointPath },
        response: { 204: z.null() },
      },
    },
    async (request, reply) => {
      const { serviceId, endpointId } = request.params
      await services.edit(
        ownerOf(request),
        serviceId,
        changing(endpointId, () => undefined),
      )
      return reply.code(204).send(null)
    },
  )
}

function addOrderRoutes(app: HttpRoutes, { services, clock }: ServiceApiOptions): void {
  const path = '/api/services/:serviceId/endpoints/:endpointId'
  for (const drain of [true, false]) {
    app.route({
      method: drain ? 'POST' : 'DELETE',
      url: `${path}/drain`,
      schema: {
        summary: drain ? 'Give an endpoint no new requests; those under way end in peace' : 'Give it requests again',
        ...{ tags, params: endpointPath, response: one },
      },
      handler: async (call) => {
        const { serviceId, endpointId } = call.params
        const change = (endpoint: ServiceDefinition['endpoints'][number]) => ({ ...endpoint, drain })
        const service = await services.edit(ownerOf(call), serviceId, changing(endpointId, change))
        return shown(service, endpointId, clock)
      },
    })
  }
  app.post(
    `${path}/reset`,
    {
      schema: {
        ...{ summary: 'Forget what is held against an endpoint', tags, params: endpointPath, response: one },
      },
    },
    async (call) => {
      const { serviceId, endpointId } = call.params
      const service = services.get(serviceId)
      service.reset(endpointId)
      return shown(service, endpointId, clock)
    },
  )
}

/** A change of one endpoint; undefined takes it away. Throws endpoint_not_found. */
function changing(endpointId: string, change: (endpoint: ServiceDefinition['endpoints'][number]) => unknown) {
  return (definition: ServiceDefinition): unknown => {
    if (!definition.endpoints.some(({ id }) => id === endpointId)) throw notFound(endpointId)
    const endpoints = definition.endpoints.flatMap((endpoint) => {
      if (endpoint.id !== endpointId) return [endpoint]
      const changed = change(endpoint)
      return changed === undefined ? [] : [changed]
    })
    return { ...definition, endpoints }
  }
}

function shown(service: LiveService, endpointId: string, clock: ServiceApiOptions['clock']) {
  const found = service.endpoints.find(({ endpoint }) => endpoint.id === endpointId)
  if (found === undefined) throw notFound(endpointId)
  return toEndpointStatus(found, clock)
}

function notFound(endpointId: string): HoldfastError {
  return new HoldfastError('endpoint_not_found', `The service has no endpoint ${JSON.stringify(endpointId)}`)
}
