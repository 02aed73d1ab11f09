import type { StreamKind } from './service.ts'

/**
 * What a URL is, by the rules of m3u-proxy: `.m3u8` is HLS; a film's file name, or a panel's path for films, series and
 * catch-up, is VOD; everything else is a live stream, and so is whatever has another scheme than http.
 */
export function streamKindOf(url: string): StreamKind {
  const { pathname, protocol } = new URL(url)
  const path = pathname.toLowerCase()
  // What a process of ours reads has no byte ranges; a file is played as a channel.
  if (!/^https?:$/.test(protocol)) return 'live'
  if (isHlsUrl(url)) return 'hls'
  if (/\.(mp4|mkv|webm|avi)$/.test(path) || /\/(timeshift|movie|series)\//.test(path)) return 'vod'
  return 'live'
}

/** Whether a URL names an HLS playlist. */
export function isHlsUrl(url: string): boolean {
  const { pathname, protocol } = new URL(url)
  return /^https?:$/.test(protocol) && pathname.toLowerCase().endsWith('.m3u8')
}
