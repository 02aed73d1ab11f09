import { CARD_TEXT_CHARACTERS_MAX, breakLines, drawCardText } from './card.ts'
import type { VideoEncoding } from './video-encoding.ts'

/** The built-in card as ffmpeg makes it: filters without an output label, and the input that they take. */
export interface CardGraph {
  readonly inputArgs: readonly string[]
  /** For standard input. */
  readonly input: Buffer | undefined
  readonly graph: string
}

/** With `strokes` the text is drawn here, without any font; with `font` ffmpeg draws it, if it has one. */
export type Lettering = 'strokes' | 'font'

const BACKGROUND = '0x10161f'
const BAR_TRACK = '0x1c2735'
const BAR = '0x6f95bd'
const TEXT = '0xe6ecf2'
/** Of the picture's sides. */
const BAR_TRACK_SHARE = 0.16
const BAR_SHARE = 0.04
const BAR_HEIGHT_SHARE = 0.004
const BAR_GAP_SHARE = 0.06
const TEXT_WIDTH_SHARE = 0.8
const FONT_SHARE = 0.075
/** Text is drawn no larger, and scaled up for larger pictures. */
const TEXT_PICTURE_WIDTH_MAX = 1_920
/** What a letter is wide, and a line high, of the size of the font. */
const LETTER_WIDTH = 0.6
const LINE_HEIGHT = 1.5

/** The text in the middle, and under it a bar that goes to and fro once in a loop, so that it can be seen to be alive. */
export function cardGraph(video: VideoEncoding, text: string, loopSeconds: number, lettering: Lettering): CardGraph {
  const { width, height, rate } = video
  const { inputArgs, input, graph, textHeight } = lettering === 'font' ? fontText(video, text) : strokeText(video, text)
  const [trackWidth, barWidth] = [even(width * BAR_TRACK_SHARE), even(width * BAR_SHARE)]
  const barHeight = even(height * BAR_HEIGHT_SHARE)
  const trackX = even((width - trackWidth) / 2)
  const barY = Math.min(height - barHeight, even(height / 2 + textHeight / 2 + height * BAR_GAP_SHARE))
  const x = `'${trackX}+${trackWidth - barWidth}*(1-cos(2*PI*t/${loopSeconds}))/2'`
  return {
    inputArgs,
    input,
    graph: [
      `${colour(BACKGROUND, width, height, rate)}[background]`,
      `${colour(BAR_TRACK, trackWidth, barHeight, rate)}[track]`,
      `${colour(BAR, barWidth, barHeight, rate)}[bar]`,
      graph,
      `[with_text][track]overlay=x=${trackX}:y=${barY}[with_track]`,
      `[with_track][bar]overlay=x=${x}:y=${barY}`,
    ].join(';'),
  }
}

/** From `[background]` to `[with_text]`. */
interface TextGraph extends CardGraph {
  readonly textHeight: number
}

function strokeText({ width, height }: VideoEncoding, text: string): TextGraph {
  const drawing = Math.min(1, TEXT_PICTURE_WIDTH_MAX / width)
  const card = drawCardText(text, width * drawing, height * drawing)
  const [textWidth, textHeight] = [even(card.width / drawing), even(card.height / drawing)]
  const [x, y] = [even((width - textWidth) / 2), even((height - textHeight) / 2)]
  const size = `${card.width}x${card.height}`
  return {
    inputArgs: ['-f', 'rawvideo', '-pixel_format', 'rgba', '-video_size', size, '-i', 'pipe:0'],
    input: card.rgba,
    graph: `[0:v]scale=${textWidth}:${textHeight}[text];[background][text]overlay=x=${x}:y=${y}[with_text]`,
    textHeight,
  }
}

function fontText({ width, height, rate }: VideoEncoding, text: string): TextGraph {
  const lines = breakLines(text.slice(0, CARD_TEXT_CHARACTERS_MAX))
  const longest = Math.max(1, ...lines.map((line) => line.length))
  const size = Math.floor(Math.min(height * FONT_SHARE, (width * TEXT_WIDTH_SHARE) / (longest * LETTER_WIDTH)))
  const textHeight = size * LINE_HEIGHT * lines.length
  const drawn = lines.map((line, index) => {
    const y = Math.round((height - textHeight) / 2 + index * size * LINE_HEIGHT)
    return `drawtext=expansion=none:fontcolor=${TEXT}:fontsize=${size}:x=(w-text_w)/2:y=${y}:text=${quoted(line)}`
  })
  return {
    // The card has an input either way, so that those behind it keep their numbers.
    inputArgs: ['-f', 'lavfi', '-i', `color=s=16x16:r=${rate}:d=1`],
    input: undefined,
    graph: `[background][0:v]overlay=x=-16:y=0,${drawn.join(',')}[with_text]`,
    textHeight,
  }
}

/** Escaped twice, as the value of an option and as a part of a filter graph (ffmpeg-filters, "Notes on filtergraph escaping"). */
function quoted(text: string): string {
  return text.replaceAll(/[\\':]/g, '\\$&').replaceAll(/[\\'[\],;]/g, '\\$&')
}

function colour(value: string, width: number, height: number, rate: string): string {
  return `color=c=${value}:s=${width}x${height}:r=${rate}`
}

function even(pixels: number): number {
  return Math.max(2, Math.round(pixels / 2) * 2)
}
