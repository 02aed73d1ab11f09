import type { SourceNetwork, SourceTransport } from '../../sources/http-client.ts'
import { HlsReader } from './hls-reader.ts'
import type { HlsReaderOptions } from './hls-reader.ts'

/**
 * The way to read an HLS source as one continuous body: MPEG-TS at the pace at which it plays, or packed audio. A master playlist is read
 * by its best variant and that variant's audio. `onHead` tells 200 and video/mp2t when the first media is there.
 */
export function createHlsTransport(options: HlsReaderOptions = {}): SourceTransport {
  return (request, handler, network: SourceNetwork) => new HlsReader(request, handler, network, options)
}
