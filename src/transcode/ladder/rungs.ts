import type { RenditionRequest } from '../../streams/service.ts'

/** The name of the profile that makes several renditions at once. */
export const LADDER_PROFILE = 'ladder'
export const RENDITIONS_MAX = 8
/** Even, as 4:2:0 needs it. */
export const SIDE_MIN = 32
export const SIDE_MAX = 4_320

const KILO = 1_000
/** What suits most: about half the bits from one to the next. */
const DEFAULT_RUNGS: readonly RenditionRequest[] = [
  { height: 1_080, videoBitsPerSecond: 5_000 * KILO, audioBitsPerSecond: 128 * KILO },
  { height: 720, videoBitsPerSecond: 2_800 * KILO, audioBitsPerSecond: 128 * KILO },
  { height: 480, videoBitsPerSecond: 1_400 * KILO, audioBitsPerSecond: 96 * KILO },
  { height: 360, videoBitsPerSecond: 800 * KILO, audioBitsPerSecond: 96 * KILO },
]
/** A source that hides its size is taken for one of these lines. */
const LINES_ASSUMED = 720
const BITS_PER_LINE = 2_200

/**
 * The ladder for a source of so many lines, best first: nothing larger than the source. A source smaller than every
 * rung has one, of its own size.
 */
export function defaultRungs(sourceLines: number | undefined): readonly RenditionRequest[] {
  const lines = sourceLines ?? LINES_ASSUMED
  const fitting = DEFAULT_RUNGS.filter(({ height = 0 }) => height <= lines)
  if (fitting.length > 0) return fitting
  const height = Math.max(SIDE_MIN, lines - (lines % 2))
  return [{ height, videoBitsPerSecond: height * BITS_PER_LINE, audioBitsPerSecond: 96 * KILO }]
}

/** The sounds that are made, each once: bit rates in the order of the renditions that want them first. */
export function soundsOf(rungs: readonly RenditionRequest[]): readonly number[] {
  return [...new Set(rungs.map(({ audioBitsPerSecond }) => audioBitsPerSecond))]
}

/** The streams of the encoder's programme that make up each rendition, in the order of the rungs. */
export function streamsOf(
  rungs: readonly RenditionRequest[],
): readonly { readonly video: number; readonly audio: number }[] {
  const sounds = soundsOf(rungs)
  return rungs.map(({ audioBitsPerSecond }, video) => ({ video, audio: sounds.indexOf(audioBitsPerSecond) }))
}

/** Better first: more bits, whatever the order in the request was. */
export function bestFirst(rungs: readonly RenditionRequest[]): readonly RenditionRequest[] {
  return rungs.toSorted((left, right) => right.videoBitsPerSecond - left.videoBitsPerSecond)
}
