import { createReadStream } from 'node:fs'
import { z } from 'zod'
import { mediaAnswer } from '../../http/documented-answers.ts'
import type { RouteGroup } from '../../http/server.ts'
import { HoldfastError } from '../../lib/errors.ts'
import type { CaptureFiles } from '../capture/capture-files.ts'
import type { SwitchLog } from '../receipts/switch-log.ts'
import type { StreamService } from '../service.ts'
import { streamPath } from './answers.ts'
import { streamNotFound } from './stream-routes.ts'

export interface SwitchRouteOptions {
  readonly streams: Pick<StreamService, 'get'>
  readonly switches: Pick<SwitchLog, 'history'>
  readonly captures: Pick<CaptureFiles, 'find'>
}

const LIMIT_MAX = 500
const LIMIT_DEFAULT = 50

const historyQuery = z.object({
  limit: z.coerce.number().int().min(1).max(LIMIT_MAX).default(LIMIT_DEFAULT),
  before: z.coerce.number().int().min(1).optional().meta({ description: 'next_before of the page before' }),
})

const historyAnswer = z.object({
  stream_id: z.string(),
  switches: z
    .array(
      z.looseObject({
        receipt_id: z.string(),
        capture: z.string().nullable().meta({ description: 'Path of the capture, while there is one' }),
      }),
    )
    .meta({ description: 'Receipts as in switch_completed, see docs/EVENTS.md; the newest first' }),
  next_before: z.number().nullable().meta({ description: 'Ask with before= for older ones; null: there are none' }),
})

const capturePath = streamPath.extend({ receiptId: z.uuid() })

/** What has happened to a stream: the receipt of each switch, and the bytes around it. For operators. */
export function switchRoutes({ streams, switches, captures }: SwitchRouteOptions): RouteGroup {
  const tags = ['switches']
  return {
    access: 'operator',
    errors: 'peer',
    plugin: async (app) => {
      app.get(
        '/streams/:streamId/switches',
        {
          schema: {
            summary: 'Receipts of the switches of a stream',
            tags,
            params: streamPath,
            querystring: historyQuery,
            response: { 200: historyAnswer },
          },
        },
        async ({ params: { streamId }, query }) => {
          if (streams.get(streamId) === undefined) throw streamNotFound()
          const { receipts, nextBefore } = await switches.history(streamId, query)
          return {
            stream_id: streamId,
            switches: receipts.map(({ receipt, receiptId }) => ({
              ...receipt,
              receipt_id: receiptId,
              capture:
                captures.find(streamId, receiptId) === undefined
                  ? null
                  : `/streams/${streamId}/switches/${receiptId}/capture`,
            })),
            next_before: nextBefore ?? null,
          }
        },
      )
      app.get(
        '/streams/:streamId/switches/:receiptId/capture',
        {
          schema: {
            summary: 'The bytes around a switch, as MPEG-TS',
            tags,
            params: capturePath,
            response: { 200: mediaAnswer('What viewers were given', ['video/mp2t']) },
          },
        },
        async ({ params: { streamId, receiptId } }, reply) => {
          if (streams.get(streamId) === undefined) throw streamNotFound()
          const file = captures.find(streamId, receiptId)
          if (file === undefined) throw captureNotFound(receiptId)
          return reply
            .headers({
              'content-type': 'video/mp2t',
              'content-length': file.bytes,
              'content-disposition': `attachment; filename="${receiptId}.ts"`,
            })
            .send(createReadStream(file.path))
        },
      )
    },
  }
}

function captureNotFound(receiptId: string): HoldfastError {
  return new HoldfastError(
    'capture_not_found',
    `There is no capture of switch ${receiptId}: it is there some 10 s after the switch, for streams with "capture": true, until newer ones take its place`,
  )
}
