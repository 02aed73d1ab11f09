import { ASCENDER, CAP_HEIGHT, DESCENDER, letterLine } from './stroke-font.ts'
import type { Lettering, Point } from './stroke-font.ts'

/** The text of the built-in card, as a picture to lay over its background. */
export interface CardText {
  /** Even numbers of pixels. */
  readonly width: number
  readonly height: number
  /** Red, green, blue and opacity of each pixel, 8 bit, from the top left. */
  readonly rgba: Buffer
}

export const CARD_TEXT_DEFAULT = 'We will be right back'
/** Characters of the text that are drawn. */
export const CARD_TEXT_CHARACTERS_MAX = 200
const LINES_MAX = 4
const LINE_CHARACTERS = 32
/** Of the picture's sides. */
const WIDTH_SHARE = 0.8
const CAP_HEIGHT_SHARE = 0.055
/** Of the font's units. */
const PEN_WIDTH = 1.5
const LINE_HEIGHT = 26
/** Around the text, in pixels: thin strokes are not drawn thinner than a pixel. */
const MARGIN = 2
const COLOUR = [0xe6, 0xec, 0xf2] as const

/** Draws `text` for a picture of `width` by `height` pixels, in a few lines, each in the middle. */
export function drawCardText(text: string, width: number, height: number): CardText {
  const lines = breakLines(text.slice(0, CARD_TEXT_CHARACTERS_MAX)).map(letterLine)
  const widest = Math.max(1, ...lines.map((line) => line.width))
  const scale = Math.min((height * CAP_HEIGHT_SHARE) / CAP_HEIGHT, (width * WIDTH_SHARE) / (widest + 2 * PEN_WIDTH))
  const unitsHigh = ASCENDER - DESCENDER + LINE_HEIGHT * (lines.length - 1) + 2 * PEN_WIDTH
  const size = {
    width: even((widest + 2 * PEN_WIDTH) * scale + 2 * MARGIN),
    height: even(unitsHigh * scale + 2 * MARGIN),
  }
  const opacity = new Uint8Array(size.width * size.height)
  for (const [index, line] of lines.entries()) {
    const baseline = MARGIN + (ASCENDER + PEN_WIDTH + LINE_HEIGHT * index) * scale
    drawLine(opacity, size.width, line, { left: (size.width - line.width * scale) / 2, baseline, scale })
  }
  const rgba = Buffer.alloc(opacity.length * 4)
  for (let pixel = 0; pixel < opacity.length; pixel += 1) {
    rgba.set(COLOUR, pixel * 4)
    rgba[pixel * 4 + 3] = opacity[pixel] ?? 0
  }
  return { ...size, rgba }
}

function even(pixels: number): number {
  return Math.max(2, Math.ceil(pixels / 2) * 2)
}

/** Breaks at spaces into lines of about the same length. */
export function breakLines(text: string): readonly string[] {
  const words = text.split(/[\s\p{Cc}]+/u).filter((word) => word !== '')
  const letters = words.join(' ').length
  const target = Math.ceil(letters / Math.min(LINES_MAX, Math.max(1, Math.ceil(letters / LINE_CHARACTERS))))
  const lines: string[] = []
  for (const word of words) {
    const last = lines.at(-1)
    const isRoom = last !== undefined && (last.length + word.length / 2 <= target || lines.length === LINES_MAX)
    if (isRoom) lines[lines.length - 1] = `${last} ${word}`
    else lines.push(word)
  }
  return lines
}

interface Place {
  readonly left: number
  readonly baseline: number
  readonly scale: number
}

function drawLine(opacity: Uint8Array, width: number, { strokes }: Lettering, { left, baseline, scale }: Place): void {
  const radius = Math.max(0.6, (PEN_WIDTH * scale) / 2)
  const toPixels = ({ x, y }: Point): Point => ({ x: left + x * scale, y: baseline - y * scale })
  for (const stroke of strokes) {
    const points = stroke.map(toPixels)
    points.forEach((to, index) => drawSegment(opacity, width, points[Math.max(0, index - 1)] ?? to, to, radius))
  }
}

/** A line with round ends; a pixel is covered by as much as its middle is nearer than the radius. */
function drawSegment(opacity: Uint8Array, width: number, from: Point, to: Point, radius: number): void {
  const height = opacity.length / width
  const [dx, dy] = [to.x - from.x, to.y - from.y]
  const lengthSquared = dx * dx + dy * dy
  const reach = radius + 1
  const [top, bottom] = [Math.max(0, Math.floor(Math.min(from.y, to.y) - reach)), Math.max(from.y, to.y) + reach]
  const [first, last] = [Math.max(0, Math.floor(Math.min(from.x, to.x) - reach)), Math.max(from.x, to.x) + reach]
  for (let y = top; y < Math.min(height, bottom); y += 1) {
    for (let x = first; x < Math.min(width, last); x += 1) {
      const [px, py] = [x + 0.5 - from.x, y + 0.5 - from.y]
      const along = lengthSquared === 0 ? 0 : Math.min(1, Math.max(0, (px * dx + py * dy) / lengthSquared))
      const distance = Math.hypot(px - along * dx, py - along * dy)
      const covered = Math.min(1, Math.max(0, radius + 0.5 - distance)) * 255
      const at = y * width + x
      if (covered > (opacity[at] ?? 0)) opacity[at] = covered
    }
  }
}
