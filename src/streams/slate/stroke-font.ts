/**
 * Letters as strokes of a pen, so that a card with text can be made on a machine without fonts. Latin letters, digits and
 * the usual punctuation; accents are put together from their parts.
 */
export interface Point {
  readonly x: number
  readonly y: number
}

/** Joined by straight lines. */
export type Stroke = readonly Point[]

export interface Lettering {
  /** In units of the font: baseline at 0, y upwards. */
  readonly strokes: readonly Stroke[]
  /** From the first pen position to the last one. */
  readonly width: number
}

export const CAP_HEIGHT = 14
export const DESCENDER = -5.2
/** Highest point of a capital with an accent. */
export const ASCENDER = 19.5
const X_HEIGHT = 9
const LETTER_GAP = 3.6
const SPACE_WIDTH = 3.4
const ARC_STEP_DEGREES = 12

/**
 * Width and strokes. `x,y` is a point, `@cx,cy,rx,ry,from,to` an arc in degrees (0 is to the right, anticlockwise when
 * `to` is larger), `|` lifts the pen.
 */
const GLYPHS: Readonly<Record<string, readonly [width: number, path: string]>> = {
  A: [11, '0,0 5.5,14 11,0|2,5 9,5'],
  B: [9, '0,0 0,14 5,14 @5,10.6,3.4,3.4,90,-90 0,7.2|5,7.2 @5.2,3.6,3.6,3.6,90,-90 0,0'],
  C: [11, '@6.5,7,6.5,7,50,310'],
  D: [10.5, '0,0 0,14 4,14 @4,7,6.5,7,90,-90 0,0'],
  E: [8, '8,14 0,14 0,0 8,0|0,7.2 7,7.2'],
  F: [8, '8,14 0,14 0,0|0,7.2 7,7.2'],
  G: [13, '@6.5,7,6.5,7,50,360 8,7'],
  H: [10, '0,0 0,14|10,0 10,14|0,7.2 10,7.2'],
  I: [0, '0,0 0,14'],
  J: [6, '6,14 6,4 @3,4,3,4,0,-160'],
  K: [9.5, '0,0 0,14|9,14 0,5.5|3.4,8.7 9.5,0'],
  L: [7.5, '0,14 0,0 7.5,0'],
  M: [12, '0,0 0,14 6,4 12,14 12,0'],
  N: [10, '0,0 0,14 10,0 10,14'],
  O: [13.6, '@6.8,7,6.8,7,0,360'],
  P: [8.7, '0,0 0,14 5,14 @5,10.3,3.7,3.7,90,-90 0,6.6'],
  Q: [13.6, '@6.8,7,6.8,7,0,360|8.5,4 13,-1'],
  R: [9.5, '0,0 0,14 5,14 @5,10.3,3.7,3.7,90,-90 0,6.6|4.5,6.6 9.5,0'],
  S: [9, '@4.5,10.6,4,3.4,40,270 @4.5,3.6,4.5,3.6,90,-140'],
  T: [10, '0,14 10,14|5,14 5,0'],
  U: [10, '0,14 0,5 @5,5,5,5,180,360 10,14'],
  V: [11, '0,14 5.5,0 11,14'],
  W: [15.6, '0,14 3.8,0 7.8,12 11.8,0 15.6,14'],
  X: [10, '0,14 10,0|10,14 0,0'],
  Y: [10, '0,14 5,7 10,14|5,7 5,0'],
  Z: [9.5, '0,14 9.5,14 0,0 9.5,0'],
  a: [9, '@4.5,4.5,4.5,4.5,0,360|9,9 9,0'],
  b: [9, '0,14 0,0|@4.5,4.5,4.5,4.5,0,360'],
  c: [7.6, '@4.5,4.5,4.5,4.5,50,310'],
  d: [9, '@4.5,4.5,4.5,4.5,0,360|9,14 9,0'],
  e: [9, '0,4.8 8.9,4.8 @4.5,4.5,4.5,4.5,4,315'],
  f: [5.2, '2,0 2,11 @5,11,3,3,180,80|0,9 5,9'],
  g: [9, '@4.5,4.5,4.5,4.5,0,360|9,9 9,-0.4 @4.7,-0.4,4.3,4.2,0,-150'],
  h: [8, '0,14 0,0|0,5 @4,5,4,4,180,0 8,0'],
  i: [0, '0,9 0,0|0,12.9 0,13.1'],
  ı: [0, '0,9 0,0'],
  j: [2, '2,9 2,-2 @0,-2,2,2.5,0,-110|2,12.9 2,13.1'],
  k: [7.5, '0,14 0,0|7,9 0,3.5|2.6,5.6 7.5,0'],
  l: [0, '0,14 0,0'],
  m: [12.8, '0,9 0,0|0,5.5 @3.2,5.5,3.2,3.5,180,0 6.4,0|6.4,5.5 @9.6,5.5,3.2,3.5,180,0 12.8,0'],
  n: [8, '0,9 0,0|0,5 @4,5,4,4,180,0 8,0'],
  o: [9, '@4.5,4.5,4.5,4.5,0,360'],
  p: [9, '0,9 0,-4.6|@4.5,4.5,4.5,4.5,0,360'],
  q: [9, '9,9 9,-4.6|@4.5,4.5,4.5,4.5,0,360'],
  r: [4.7, '0,9 0,0|0,4.8 @4,4.8,4,4.2,180,80'],
  s: [6.6, '@3.3,6.7,2.9,2.3,30,270 @3.3,2.2,3.3,2.2,90,-150'],
  t: [5.4, '2.2,13 2.2,2.6 @4.8,2.6,2.6,2.6,180,285|0,9 5.4,9'],
  u: [8, '0,9 0,4 @4,4,4,4,180,360|8,9 8,0'],
  v: [8, '0,9 4,0 8,9'],
  w: [12, '0,9 3,0 6,8 9,0 12,9'],
  x: [7.5, '0,9 7.5,0|7.5,9 0,0'],
  y: [8, '0,9 4,0.2|8,9 2.3,-4.2'],
  z: [7.2, '0,9 7.2,9 0,0 7.2,0'],
  0: [9.6, '@4.8,7,4.8,7,0,360'],
  1: [3.4, '0,11 3.4,14 3.4,0'],
  2: [8.8, '@4.3,9.9,4.1,4.1,165,-35 0,0 8.8,0'],
  3: [8.4, '@4,10.6,3.6,3.4,150,-90 @4,3.6,4.4,3.6,90,-150'],
  4: [9.5, '7,0 7,14 0,4 9.5,4'],
  5: [8.7, '8,14 1.4,14 1,7.7 @4.2,4.5,4.5,4.5,135,-150'],
  6: [9.2, '7,14 0.9,6.6|@4.6,4.5,4.6,4.5,0,360'],
  7: [8.8, '0,14 8.8,14 3,0'],
  8: [9, '@4.5,10.6,3.6,3.4,0,360|@4.5,3.6,4.5,3.6,0,360'],
  9: [9.2, '2.2,0 8.3,7.4|@4.6,9.5,4.6,4.5,0,360'],
  '.': [0, '0,0 0,0.2'],
  ',': [0.6, '0.6,0.2 0,-2.4'],
  ':': [0, '0,0 0,0.2|0,7.4 0,7.6'],
  ';': [0.6, '0.6,0.2 0,-2.4|0.6,7.4 0.6,7.6'],
  '!': [0, '0,14 0,4.4|0,0 0,0.2'],
  '?': [7.2, '@3.6,10.4,3.6,3.6,170,-60 3.6,5.8 3.6,4.4|3.6,0 3.6,0.2'],
  "'": [0, '0,14 0,10.6'],
  '’': [0.6, '0.6,14 0,10.8'],
  '"': [2.6, '0,14 0,10.6|2.6,14 2.6,10.6'],
  '-': [5, '0,5 5,5'],
  '–': [8, '0,5 8,5'],
  '—': [12, '0,5 12,5'],
  _: [9, '0,-2 9,-2'],
  '/': [7, '0,-2 7,15'],
  '(': [4, '@8,5,8,10.5,118,242'],
  ')': [4, '@-4,5,8,10.5,62,-62'],
  '+': [9, '0,6 9,6|4.5,1.5 4.5,10.5'],
  '=': [8, '0,4 8,4|0,8 8,8'],
  '&': [10, '10,0 2.2,9.4 @4.4,11.4,2.7,2.6,215,-40 1.6,5.8 @3.9,3.4,3.9,3.4,140,300 10,6.5'],
  '…': [8, '0,0 0,0.2|4,0 4,0.2|8,0 8,0.2'],
  ß: [8.2, '0,0 0,10.3 @3.6,10.3,3.6,3.7,180,-60 3.8,7.2 @4.2,3.7,4,3.7,90,-120'],
  ø: [9, '@4.5,4.5,4.5,4.5,0,360|0.2,-0.6 8.8,9.6'],
  Ø: [13.6, '@6.8,7,6.8,7,0,360|1.6,-0.8 12,14.8'],
  æ: [15, '@4.5,4.5,4.5,4.5,0,360|9,9 9,0|9,4.8 15,4.8 @12,4.5,3,4.5,4,180|9,4.5 @12,4.5,3,4.5,180,315'],
  Æ: [14, '0,0 7,14 14,14|7,14 7,0 14,0|3,5 7,5|7,7.2 13,7.2'],
  œ: [16, '@4.5,4.5,4.5,4.5,0,360|9,4.8 16,4.8 @12.5,4.5,3.5,4.5,4,315'],
  ł: [3, '1.5,14 1.5,0|0,5.8 3,8.2'],
  Ł: [8.5, '1,14 1,0 8.5,0|-1,5.4 4,9'],
  đ: [9, '@4.5,4.5,4.5,4.5,0,360|9,14 9,0|5.5,11.6 11,11.6'],
  Đ: [10.5, '0,0 0,14 4,14 @4,7,6.5,7,90,-90 0,0|-2,7.2 4,7.2'],
  '¡': [0, '0,9 0,-4.6|0,-4.6 0,-4.6'],
  '¿': [7.2, '3.6,9 3.6,8.8|3.6,4.6 3.6,3.2 @3.6,-1.2,3.6,3.6,120,350'],
}

/** Combining marks (Unicode normalisation form D): strokes around the middle of the letter, 0 is the mark's own height. */
const MARKS: Readonly<Record<string, string>> = {
  '\u0300': '1.2,-1 -1.2,1.2',
  '\u0301': '-1.2,-1 1.2,1.2',
  '\u0302': '-2.2,-1 0,1.1 2.2,-1',
  '\u0303': '-2.6,-0.5 -1.1,0.6 1.1,-0.6 2.6,0.5',
  '\u0304': '-2.4,0 2.4,0',
  '\u0306': '@0,1,2.2,1.8,200,340',
  '\u0307': '0,0 0,0.2',
  '\u0308': '-2.1,0 -2.1,0.2|2.1,0 2.1,0.2',
  '\u030a': '@0,0.2,1.5,1.5,0,360',
  '\u030b': '-2,-1 -0.6,1.2|0.8,-1 2.2,1.2',
  '\u030c': '-2.2,1.1 0,-1 2.2,1.1',
}
/** The same for marks below the letter, where 0 is the baseline. */
const MARKS_BELOW: Readonly<Record<string, string>> = {
  '\u0323': '0,-2.8 0,-2.6',
  '\u0326': '0.4,-2 -0.4,-4',
  '\u0327': '0,0 0.6,-1.8 -0.8,-3.4',
  '\u0328': '1.6,0 0.4,-2 1.8,-3.4',
}
const MARK_ABOVE = 3.2

/** Whether every character of `text` can be drawn. */
export function canDraw(text: string): boolean {
  return Array.from(text.normalize('NFD')).every(
    (character) => /\s/.test(character) || character in GLYPHS || character in MARKS || character in MARKS_BELOW,
  )
}

/** One line of text; what has no strokes is left out. */
export function letterLine(text: string): Lettering {
  const strokes: Stroke[] = []
  let x = 0
  let base = { x: 0, width: 0, height: X_HEIGHT }
  const characters = Array.from(text.normalize('NFD'))
  for (const [index, character] of characters.entries()) {
    const above = MARKS[character]
    const below = MARKS_BELOW[character]
    if (above !== undefined || below !== undefined) {
      const y = above === undefined ? 0 : base.height + MARK_ABOVE
      strokes.push(...strokesOf(above ?? below ?? '', base.x + base.width / 2, y))
      continue
    }
    if (/\s/.test(character)) {
      x += SPACE_WIDTH + LETTER_GAP
      continue
    }
    const hasMark = (characters[index + 1] ?? '') in MARKS
    const glyph = GLYPHS[character === 'i' && hasMark ? 'ı' : character]
    if (glyph === undefined) continue
    const [width, path] = glyph
    strokes.push(...strokesOf(path, x, 0))
    base = { x, width, height: isTall(character) ? CAP_HEIGHT : X_HEIGHT }
    x += width + LETTER_GAP
  }
  return { strokes, width: Math.max(0, x - LETTER_GAP) }
}

function isTall(character: string): boolean {
  return character.toLowerCase() !== character || /[bdhklt]/.test(character)
}

function strokesOf(path: string, x: number, y: number): readonly Stroke[] {
  return path.split('|').map((stroke) =>
    stroke.split(' ').flatMap((token) => {
      if (token.startsWith('@')) return arc(numbers(token.slice(1)), x, y)
      const [atX = 0, atY = 0] = numbers(token)
      return [{ x: x + atX, y: y + atY }]
    }),
  )
}

function arc(
  [centreX = 0, centreY = 0, radiusX = 0, radiusY = 0, from = 0, to = 0]: readonly number[],
  x: number,
  y: number,
): Stroke {
  const steps = Math.max(1, Math.ceil(Math.abs(to - from) / ARC_STEP_DEGREES))
  return Array.from({ length: steps + 1 }, (_, step) => {
    const angle = ((from + ((to - from) * step) / steps) * Math.PI) / 180
    return { x: x + centreX + radiusX * Math.cos(angle), y: y + centreY + radiusY * Math.sin(angle) }
  })
}

function numbers(text: string): readonly number[] {
  return text.split(',').map(Number)
}
