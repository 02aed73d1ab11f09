import type { FeedSource } from '../feed-track.ts'

const CONTENT_TYPE_OF_CONTAINER: Readonly<Record<string, string>> = {
  mpegts: 'video/mp2t',
  flv: 'video/x-flv',
  matroska: 'video/x-matroska',
  adts: 'audio/aac',
  mp3: 'audio/mpeg',
}

/** The head of a live answer: what the body is, and that it can be neither cached nor asked for in parts. */
export function liveHead(source: FeedSource | undefined): Readonly<Record<string, string>> {
  const container = source?.framer?.container ?? 'mpegts'
  return {
    'content-type': CONTENT_TYPE_OF_CONTAINER[container] ?? source?.contentType ?? 'application/octet-stream',
    'cache-control': 'no-store',
    'accept-ranges': 'none',
  }
}
