import { createHash, createHmac } from 'node:crypto'
import type { TranscodeRequest } from './service.ts'

/**
 * The id of a stream: 32 hexadecimal digits, the same for the same URL, as in m3u-proxy. Unlike there it is keyed, so
 * that nobody who knows or guesses a URL can compute the id and watch.
 */
export function streamIdOf(url: string, secret: string): string {
  return createHmac('sha256', secret).update(`stream\n${url}`).digest('hex').slice(0, 32)
}

/** The id of a stream that is encoded anew: the same for the same URL, profile, renditions and variables, whatever their order. */
export function transcodedStreamIdOf(
  { url, transcode }: { readonly url: string; readonly transcode: Omit<TranscodeRequest, 'format'> },
  secret: string,
): string {
  const variables = Object.entries(transcode.variables).toSorted(([left], [right]) => (left < right ? -1 : 1))
  const { profile, renditions } = transcode
  const text = JSON.stringify([url, profile, variables, ...(renditions === undefined ? [] : [renditions])])
  return createHmac('sha256', secret).update(`transcode\n${text}`).digest('hex').slice(0, 32)
}

/** The id of a client that named none: the same for the same player on the same stream. */
export function clientIdOf(client: {
  readonly ipAddress: string
  readonly userAgent: string
  readonly streamId: string
  readonly username: string | undefined
}): string {
  const text = [client.ipAddress, client.userAgent, client.streamId, client.username ?? ''].join('\n')
  return `client_${createHash('sha256').update(text).digest('hex').slice(0, 16)}`
}
