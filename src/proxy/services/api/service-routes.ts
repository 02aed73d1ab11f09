import { z } from 'zod'
import type { HttpRoutes } from '../../../http/server.ts'
import type { LiveService } from '../live-service.ts'
import { serviceBody } from '../service-definition.ts'
import { ownerOf, servicePath, tags } from './answers.ts'
import type { ServiceApiOptions } from './answers.ts'
import { serviceObject, serviceStatus, toServiceObject, toServiceStatus } from './service-object.ts'

const TTL_SECONDS_MAX = 30 * 86_400

const pinBody = z.object({
  endpointId: z.string(),
  ttlSeconds: z.number().positive().max(TTL_SECONDS_MAX).optional().meta({ description: 'For ever by default' }),
})

const patchBody = z
  .record(z.string(), z.unknown())
  .meta({ description: 'Fields to change (RFC 7396): objects are merged, null brings the default back' })

export function addServiceRoutes(app: HttpRoutes, options: ServiceApiOptions): void {
  addReadRoutes(app, options)
  addWriteRoutes(app, options)
  addOrderRoutes(app, options)
}

function shownBy({ services }: ServiceApiOptions) {
  return (service: LiveService) => toServiceObject(service, services.addressesOf(service))
}

function addReadRoutes(app: HttpRoutes, options: ServiceApiOptions): void {
  const { services, clock } = options
  const shown = shownBy(options)
  app.get(
    '/api/services',
    {
      schema: { summary: 'List services', tags, response: { 200: z.object({ services: z.array(serviceObject) }) } },
    },
    async () => ({ services: services.list().map(shown) }),
  )
  app.get(
    '/api/services/:serviceId',
    {
      schema: {
        ...{ summary: 'Read a service, with every default', tags, params: servicePath },
        response: { 200: serviceObject },
      },
    },
    async ({ params }) => shown(services.get(params.serviceId)),
  )
  app.get(
    '/api/services/:serviceId/status',
    {
      schema: {
        ...{ summary: 'Health, circuits, requests and the latest switches of a service', tags, params: servicePath },
        response: { 200: serviceStatus },
      },
    },
    async ({ params }) => {
      const service = services.get(params.serviceId)
      return toServiceStatus(service, services.addressesOf(service), clock)
    },
  )
}

function addWriteRoutes(app: HttpRoutes, options: ServiceApiOptions): void {
  const { services } = options
  const shown = shownBy(options)
  app.post(
    '/api/services',
    {
      schema: {
        ...{ summary: 'Make a service', tags, body: serviceBody },
        response: { 201: serviceObject },
      },
    },
    async (request, reply) => reply.code(201).send(shown(await services.create(ownerOf(request), request.body))),
  )
  app.put(
    '/api/services/:serviceId',
    {
      schema: {
        ...{ summary: 'Make a service or replace all of it; endpoints that stay keep their health', tags },
        ...{ params: servicePath, body: serviceBody },
        response: { 200: serviceObject, 201: serviceObject },
      },
    },
    async (request, reply) => {
      const { serviceId } = request.params
      const { service, isNew } = await services.replace(ownerOf(request), serviceId, request.body)
      return reply.code(isNew ? 201 : 200).send(shown(service))
    },
  )
  app.patch(
    '/api/services/:serviceId',
    {
      schema: {
        ...{ summary: 'Change some of a service', tags, params: servicePath, body: patchBody },
        response: { 200: serviceObject },
      },
    },
    async (call) => shown(await services.patch(ownerOf(call), call.params.serviceId, call.body)),
  )
  app.delete(
    '/api/services/:serviceId',
    {
      schema: {
        ...{ summary: 'Delete a service; requests under way go on', tags, params: servicePath },
        response: { 204: z.null() },
      },
    },
    async (request, reply) => {
      await services.remove(ownerOf(request), request.params.serviceId)
      return reply.code(204).send(null)
    },
  )
}

function addOrderRoutes(app: HttpRoutes, options: ServiceApiOptions): void {
  const { services, clock } = options
  const statusOf = (service: LiveService) => toServiceStatus(service, services.addressesOf(service), clock)
  for (const enabled of [true, false]) {
    app.post(
      `/api/services/:serviceId/${enabled ? 'enable' : 'disable'}`,
      {
        schema: {
          summary: enabled ? 'Enable a service' : 'Disable a service: its requests are answered 503',
          ...{ tags, params: servicePath, response: { 200: serviceStatus } },
        },
      },
      async (call) => {
        const { serviceId } = call.params
        return statusOf(await services.patch(ownerOf(call), serviceId, { enabled }))
      },
    )
  }
  app.post(
    '/api/services/:serviceId/pin',
    {
      schema: {
        summary: 'Give all requests to one endpoint, whatever its health',
        ...{ tags, params: servicePath, body: pinBody, response: { 200: serviceStatus } },
      },
    },
    async (call) => {
      const { endpointId, ttlSeconds } = call.body
      const service = services.get(call.params.serviceId)
      service.pin(endpointId, ttlSeconds === undefined ? undefined : ttlSeconds * 1_000, ownerOf(call))
      return statusOf(service)
    },
  )
  app.delete(
    '/api/services/:serviceId/pin',
    {
      schema: {
        summary: 'Release the pin: the strategy chooses again',
        ...{ tags, params: servicePath, response: { 200: serviceStatus } },
      },
    },
    async (call) => {
      const service = services.get(call.params.serviceId)
      service.unpin()
      return statusOf(service)
    },
  )
}
