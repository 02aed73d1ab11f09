import assert from 'node:assert/strict'
import { test } from 'node:test'
import { breakLines, drawCardText } from './card.ts'
import type { CardText } from './card.ts'
import { CAP_HEIGHT, canDraw, letterLine } from './stroke-font.ts'

function opacityAt({ width, rgba }: CardText, x: number, y: number): number {
  return rgba[(y * width + x) * 4 + 3] ?? 0
}

function inkOf({ rgba }: CardText): number {
  let ink = 0
  for (let at = 3; at < rgba.length; at += 4) ink += rgba[at] ?? 0
  return ink
}

test('text fits into the picture, in even numbers of pixels, with nothing cut off at its edge', () => {
  for (const [width, height] of [
    [1_920, 1_080],
    [720, 576],
    [320, 180],
    [96, 64],
  ] as const) {
    const card = drawCardText('We will be right back. Åström, gýjq!', width, height)
    assert.ok(card.width <= width && card.height <= height, `${card.width}x${card.height} in ${width}x${height}`)
    assert.deepEqual([card.width % 2, card.height % 2], [0, 0])
    assert.equal(card.rgba.length, card.width * card.height * 4)
    assert.ok(inkOf(card) > 0)
    for (let x = 0; x < card.width; x += 1) {
      assert.equal(opacityAt(card, x, 0), 0)
      assert.equal(opacityAt(card, x, card.height - 1), 0)
    }
  }
})

test('a letter is drawn where its strokes are, and nowhere else', () => {
  const card = drawCardText('l', 1_920, 1_080)
  const middle = Math.floor(card.width / 2)
  assert.ok(opacityAt(card, middle, Math.floor(card.height / 2)) > 200)
  assert.equal(opacityAt(card, 0, Math.floor(card.height / 2)), 0)
})

test('every letter of the font looks different', () => {
  const characters = Array.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz0123456789.,:;!?-+=&/()')
  const pictures = new Set(characters.map((character) => JSON.stringify(letterLine(character).strokes)))
  assert.equal(pictures.size, characters.length)
  for (const character of characters) assert.ok(canDraw(character), character)
})

test('accents stand over their letter and do not make it wider', () => {
  const [plain, accented] = [letterLine('e'), letterLine('é')]
  assert.equal(accented.width, plain.width)
  assert.equal(accented.strokes.length, plain.strokes.length + 1)
  const lowest = Math.min(...(accented.strokes.at(-1) ?? []).map(({ y }) => y))
  assert.ok(lowest > 9 && lowest < CAP_HEIGHT)
  const dotless = letterLine('í').strokes.length
  assert.equal(dotless, 2)
})

test('what the font has no strokes for is told, and left out', () => {
  assert.equal(canDraw('Zurück in Łódź – ça va?'), true)
  assert.equal(canDraw('Скоро'), false)
  assert.equal(canDraw('すぐ'), false)
  assert.deepEqual(letterLine('aЖb').width, letterLine('ab').width)
})

test('long text is broken into few lines of about the same length', () => {
  assert.deepEqual(breakLines('We will be right back'), ['We will be right back'])
  const lines = breakLines('We are sorry for the interruption of this programme and will be back in a few minutes')
  assert.equal(lines.length, 3)
  for (const line of lines) assert.ok(line.length > 20 && line.length < 36, line)
  assert.deepEqual(breakLines('a\nb\0\tc'), ['a b c'])
  assert.ok(breakLines('word '.repeat(200)).length <= 4)
  assert.deepEqual(breakLines('  '), [])
})
