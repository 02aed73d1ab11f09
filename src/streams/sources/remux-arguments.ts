/** What ffmpeg is to read, once it is known to be allowed. */
export interface RemuxInput {
  /** As ffmpeg is to be given it, with credentials. */
  readonly url: string
  readonly scheme: RemuxScheme
  readonly userAgent: string
  readonly connectTimeoutMs: number
  /** The address as it was before its host name was replaced by an IP address; RTMP servers look at it. */
  readonly nominalUrl?: string
  /** A file is played again and again. */
  readonly isLooped?: boolean
}

export const REMUX_SCHEMES = ['rtsp', 'rtsps', 'srt', 'rtmp', 'rtmps', 'udp', 'rtp', 'file'] as const
export type RemuxScheme = (typeof REMUX_SCHEMES)[number]

const US_PER_MS = 1_000
/** A source that is silent is given up by whoever looks at its media, not by ffmpeg, unless that is far too late. */
const SILENCE_MS_MIN = 20_000
const PROBE_BYTES = 2_000_000
const PROBE_US = 2_000_000
const UDP_SOCKET_BYTES = 4_194_304
/** Packets of 188 bytes between ffmpeg's receiving thread and its reader. */
const UDP_FIFO_PACKETS = 50_000

/** Containers that a file may have. None of them names other files, as playlists do. */
const FILE_FORMATS =
  'mpegts,mpeg,mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,flv,avi,ogg,mp3,aac,ac3,eac3,wav,flac,h264,hevc,mpegvideo'

interface Recipe {
  /** Protocols beneath the scheme that ffmpeg may open for it, and no others (`-protocol_whitelist`). */
  readonly protocols: string
  /**
   * `bytes`: it carries a transport stream already, which is handed on byte for byte. `remux`: the elementary streams are
   * copied into a new one.
   */
  readonly reads: 'bytes' | 'remux'
  readonly options: (input: RemuxInput) => readonly string[]
}

const rtsp: Recipe = {
  protocols: 'rtsp,rtp,tcp,udp,tls',
  reads: 'remux',
  options: (input) => [
    // Over TCP: no lost packets, no ports to open.
    ...['-f', 'rtsp', '-rtsp_transport', 'tcp', '-timeout', us(silenceMs(input)), '-user_agent', input.userAgent],
    // Cameras give presentation times only.
    ...['-fflags', '+genpts'],
    // Other tracks (ONVIF metadata) cannot be carried.
    ...['-allowed_media_types', 'video+audio'],
  ],
}

const rtmp: Recipe = {
  protocols: 'rtmp,rtmps,tcp,tls',
  reads: 'remux',
  options: (input) => [
    ...['-f', 'live_flv', '-rtmp_live', 'live', '-rw_timeout', us(silenceMs(input))],
    ...(input.nominalUrl === undefined ? [] : ['-rtmp_tcurl', tcUrl(input.nominalUrl)]),
  ],
}

const RECIPES: Readonly<Record<RemuxScheme, Recipe>> = {
  rtsp,
  rtsps: rtsp,
  rtmp,
  rtmps: rtmp,
  srt: {
    protocols: 'srt',
    reads: 'bytes',
    options: (input) => [
      // One in milliseconds, the other in microseconds.
      ...['-connect_timeout', `${Math.round(input.connectTimeoutMs)}`, '-timeout', us(silenceMs(input))],
    ],
  },
  udp: {
    protocols: 'udp',
    reads: 'bytes',
    options: () => [
      ...['-buffer_size', `${UDP_SOCKET_BYTES}`, '-fifo_size', `${UDP_FIFO_PACKETS}`, '-overrun_nonfatal', '1'],
    ],
  },
  rtp: { protocols: 'rtp,udp', reads: 'remux', options: () => ['-buffer_size', `${UDP_SOCKET_BYTES}`] },
  file: {
    protocols: 'file',
    reads: 'remux',
    options: ({ isLooped }) => [
      ...['-format_whitelist', FILE_FORMATS, '-re'],
      ...(isLooped === true ? ['-stream_loop', '-1'] : []),
    ],
  },
}

/** The arguments with which ffmpeg reads a source and writes MPEG-TS to standard output. Nothing is decoded. */
export function remuxArguments(input: RemuxInput): readonly string[] {
  const { protocols, reads, options } = RECIPES[input.scheme]
  const quiet = ['-hide_banner', '-nostdin', '-nostats', '-loglevel', 'error']
  const source = ['-protocol_whitelist', protocols, ...options(input)]
  if (reads === 'bytes') {
    return [
      ...[...quiet, ...source, '-f', 'data', '-i', input.url],
      ...['-map', '0', '-c', 'copy', '-flush_packets', '1', '-f', 'data', 'pipe:1'],
    ]
  }
  return [
    ...[...quiet, ...source, '-probesize', `${PROBE_BYTES}`, '-analyzeduration', `${PROBE_US}`, '-i', input.url],
    // Pictures that are covers of a file are no video; subtitles of other containers have no place in a transport stream.
    ...['-map', '0:V?', '-map', '0:a?', '-c', 'copy'],
    ...['-flush_packets', '1', '-f', 'mpegts', 'pipe:1'],
  ]
}

function silenceMs({ connectTimeoutMs }: RemuxInput): number {
  return Math.max(connectTimeoutMs, SILENCE_MS_MIN)
}

function us(ms: number): string {
  return String(Math.round(ms * US_PER_MS))
}

/** `rtmp://host/app` of `rtmp://host/app/name`. */
function tcUrl(url: string): string {
  const { protocol, host, pathname } = new URL(url)
  return `${protocol}//${host}${pathname.split('/').slice(0, 2).join('/')}`
}
