import type { ServerResponse } from 'node:http'

/** Who is served what: `X-Client-ID`, by which a viewer can be disconnected, and `X-Stream-ID`. */
export function setViewerHeaders(response: ServerResponse, streamId: string, clientId: string): void {
  response.setHeader('x-client-id', headerText(clientId))
  response.setHeader('x-stream-id', streamId)
}

/** A client may call itself anything; what a field cannot hold (RFC 9110 §5.5) is in escapes, as it was in the query. */
function headerText(text: string): string {
  return /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/.test(text) ? text : encodeURIComponent(text.toWellFormed())
}
