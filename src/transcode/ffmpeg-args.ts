import type { Container } from '../streams/framing/framing.ts'
import type { EncoderArguments } from './encoder-arguments.ts'

/** ffmpeg's name for what a stream of the gateway can be made of; what it cannot read is undefined. */
const DEMUXERS: Readonly<Partial<Record<Container, string>>> = {
  mpegts: 'mpegts',
  flv: 'flv',
  matroska: 'matroska',
  mp3: 'mp3',
  adts: 'aac',
}

/** Media that is looked at before the first picture is decoded; the tables that come first name everything there is. */
const PROBE_BYTES = 2_000_000
const PROBE_MICROSECONDS = 1_500_000
const PROGRESS_EVERY_SECONDS = 1
const MUXING_QUEUE_PACKETS = 1_024

/** Whether an encoder can be given this. */
export function isReadable(container: Container): boolean {
  return DEMUXERS[container] !== undefined
}

/**
 * All of ffmpeg's arguments: media on standard input, MPEG-TS on standard output, progress on descriptor 3. The demuxer is
 * named and only pipes may be opened, so that what a source sends can never make ffmpeg read a file or an address.
 */
export function ffmpegArguments(encoder: EncoderArguments, container: Container): readonly string[] {
  return [
    ...['-hide_banner', '-loglevel', 'warning', '-nostdin', '-nostats'],
    ...['-progress', 'pipe:3', '-stats_period', `${PROGRESS_EVERY_SECONDS}`],
    ...encoder.input,
    ...['-protocol_whitelist', 'pipe', '-fflags', '+genpts'],
    ...['-probesize', `${PROBE_BYTES}`, '-analyzeduration', `${PROBE_MICROSECONDS}`],
    ...['-f', DEMUXERS[container] ?? 'mpegts', '-i', 'pipe:0'],
    ...defaultMaps(encoder.output),
    ...encoder.output,
    ...['-max_muxing_queue_size', `${MUXING_QUEUE_PACKETS}`, '-flush_packets', '1'],
    ...['-f', 'mpegts', 'pipe:1'],
  ]
}

/** As the API shows them: what was asked for between the pipes. */
export function shownArguments(encoder: EncoderArguments): readonly string[] {
  return [...encoder.input, '-i', 'pipe:0', ...encoder.output, '-f', 'mpegts', 'pipe:1']
}

/** The first picture and the first sound, unless the profile chooses itself; data and subtitles only where it asks. */
function defaultMaps(output: readonly string[]): readonly string[] {
  if (output.includes('-map')) return []
  return [...(output.includes('-vn') ? [] : ['-map', '0:v:0?']), ...(output.includes('-an') ? [] : ['-map', '0:a:0?'])]
}
