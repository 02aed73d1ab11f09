import { z } from 'zod'
import type { HttpRoutes } from '../../http/server.ts'
import { HoldfastError } from '../../lib/errors.ts'
import { messageAnswer } from './answers.ts'
import type { StreamApiOptions } from './api-options.ts'
import { clientId } from './input.ts'
import { clientObject, toClientObject } from './stream-object.ts'

const tags = ['clients']

/** Viewers: listing, reading and disconnecting. */
export function addClientRoutes(app: HttpRoutes, { streams }: StreamApiOptions): void {
  const listed = z.object({ total_clients: z.number(), clients: z.array(clientObject) })
  for (const path of ['/clients', '/stats/clients']) {
    app.get(path, { schema: { summary: 'List viewers', tags, response: { 200: listed } } }, async () => {
      const clients = streams.clients().map(toClientObject)
      return { total_clients: clients.length, clients }
    })
  }
  app.get(
    '/clients/:clientId',
    {
      schema: {
        summary: 'Read one viewer',
        tags,
        params: z.object({ clientId }),
        response: { 200: clientObject },
      },
    },
    async ({ params }) => {
      const client = streams.clients().find((candidate) => candidate.clientId === params.clientId)
      if (client === undefined) throw new HoldfastError('client_not_found', 'Client not found')
      return toClientObject(client)
    },
  )
  app.delete(
    '/hls/:streamId/clients/:clientId',
    {
      schema: {
        summary: 'Disconnect a viewer, of whatever kind of stream; 200 also when it is gone already',
        tags,
        params: z.object({ streamId: z.string(), clientId }),
        response: { 200: messageAnswer },
      },
    },
    async ({ params }) => {
      const wasConnected = streams.disconnectClient(params.streamId, params.clientId)
      return { message: `Client ${params.clientId} ${wasConnected ? 'disconnected' : 'was not connected'}` }
    },
  )
}
