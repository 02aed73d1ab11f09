import { open } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { pipeline } from 'node:stream/promises'
import { HoldfastError } from '../../lib/errors.ts'
import { slicePieces } from './media-body.ts'
import { requestedRange } from './requested-range.ts'
import type { RequestedRange } from './requested-range.ts'
import type { StoredMedia } from './stored-media.ts'

export interface SendOptions {
  /** How long caches may keep what never changes under its name, seconds. */
  readonly maxAgeS: number
}

export interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
}

/**
 * Answers with a segment, whole or a range of it, out of the shared memory that it is in: a client that reads slowly holds
 * no copy. Resolves when the head has been written. Throws range_not_satisfiable, and hls_not_found for a file that has gone.
 */
export async function sendMedia(
  media: StoredMedia,
  { request, response }: Exchange,
  options: SendOptions,
): Promise<void> {
  const etag = `"${media.name}"`
  const headers: Record<string, string | number> = {
    'content-type': media.contentType,
    'cache-control': `max-age=${Math.ceil(options.maxAgeS)}, immutable`,
    'accept-ranges': 'bytes',
    etag,
  }
  if (names(request.headers['if-none-match'], etag)) {
    response.writeHead(304, headers).end()
    return
  }
  const ifRange = request.headers['if-range']
  const wanted = ifRange === undefined || ifRange === etag ? request.headers.range : undefined
  const range = requestedRange(wanted, media.bytes)
  if (range === 'unsatisfiable') {
    response.setHeader('content-range', `bytes */${media.bytes}`)
    throw new HoldfastError('range_not_satisfiable', `${String(wanted)} asks for none of ${media.bytes} bytes`)
  }
  if (range !== undefined) headers['content-range'] = `bytes ${range.startByte}-${range.endByte - 1}/${media.bytes}`
  const span = range ?? { startByte: 0, endByte: media.bytes }
  headers['content-length'] = span.endByte - span.startByte
  const status = range === undefined ? 200 : 206
  if (request.method === 'HEAD') {
    response.writeHead(status, headers).end()
    return
  }
  if (media.content.kind === 'file') {
    await sendFile(media.content.path, span, response, () => response.writeHead(status, headers))
    return
  }
  response.writeHead(status, headers)
  response.cork()
  for (const piece of slicePieces(media.content.pieces, span.startByte, span.endByte)) response.write(piece)
  response.end()
}

async function sendFile(
  path: string,
  { startByte, endByte }: RequestedRange,
  response: ServerResponse,
  writeHead: () => void,
): Promise<void> {
  const file = await open(path, 'r').catch((cause: unknown) => {
    throw new HoldfastError('hls_not_found', 'This segment is not kept any more', { cause })
  })
  writeHead()
  const content = file.createReadStream({ start: startByte, end: endByte - 1 })
  // A client that leaves, or a disk that fails: the connection ends short of the length that was told.
  pipeline(content, response).catch(() => response.destroy())
}

/** Whether an If-None-Match names this entity (RFC 9110 §13.1.2). */
function names(header: string | undefined, etag: string): boolean {
  return header !== undefined && header.split(',').some((each) => each.trim().replace(/^W\//, '') === etag)
}
