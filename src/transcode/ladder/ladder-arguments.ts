import type { RenditionRequest } from '../../streams/service.ts'
import type { EncoderArguments } from '../encoder-arguments.ts'
import { soundsOf } from './rungs.ts'

/** Peak and buffer, of the mean bit rate: what a player has to expect of one segment. */
const PEAK_SHARE = 1.1
const BUFFER_SHARE = 1.5

/**
 * What one ffmpeg is told so that it makes all renditions: `common` is what holds for each of them, checked before;
 * `lastFilter` is what an encoder in silicon needs behind the scaling. The pictures come first in the programme, in the
 * order of the rungs, then the sounds.
 */
export function ladderArguments(
  common: EncoderArguments,
  rungs: readonly RenditionRequest[],
  lastFilter: string | undefined,
): EncoderArguments {
  const sounds = soundsOf(rungs)
  return {
    ...common,
    output: [
      ...rungs.flatMap(() => ['-map', '0:v:0?']),
      ...sounds.flatMap(() => ['-map', '0:a:0?']),
      ...common.output,
      ...rungs.flatMap((rung, index) => pictureArguments(rung, index, lastFilter)),
      ...sounds.flatMap((bitsPerSecond, index) => [`-b:a:${index}`, `${bitsPerSecond}`]),
    ],
  }
}

function pictureArguments(
  { width = -2, height = -2, videoBitsPerSecond, codecProfile }: RenditionRequest,
  index: number,
  lastFilter: string | undefined,
): readonly string[] {
  // The size is that of the first source; later ones are scaled to it by ffmpeg itself.
  const filter = [`scale=${width}:${height}`, ...(lastFilter === undefined ? [] : [lastFilter])].join(',')
  return [
    ...[`-filter:v:${index}`, filter],
    ...[`-b:v:${index}`, `${videoBitsPerSecond}`, `-maxrate:v:${index}`, `${peakOf(videoBitsPerSecond)}`],
    ...[`-bufsize:v:${index}`, `${Math.round(videoBitsPerSecond * BUFFER_SHARE)}`],
    ...(codecProfile === undefined ? [] : [`-profile:v:${index}`, codecProfile]),
  ]
}

/** The bit rate that an encoder does not exceed for long. */
export function peakOf(bitsPerSecond: number): number {
  return Math.round(bitsPerSecond * PEAK_SHARE)
}
