import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  attributeNumber,
  attributeText,
  decimal,
  isYes,
  parseAttributeList,
  quoted,
  unquoted,
} from './attribute-list.ts'
import { withoutAttributes, withQuoted, writeAttributeList } from './attribute-list.ts'

test('reads quoted strings with commas and equals signs in them, numbers, resolutions and names', () => {
  const list = parseAttributeList(
    'CODECS="avc1.4d401f,mp4a.40.2",BANDWIDTH=1280000,RESOLUTION=640x360,X-Q="a=b",DEFAULT=YES',
  )
  assert.equal(attributeText(list, 'CODECS'), 'avc1.4d401f,mp4a.40.2')
  assert.equal(attributeNumber(list, 'BANDWIDTH'), 1_280_000)
  assert.equal(attributeText(list, 'RESOLUTION'), '640x360')
  assert.equal(attributeText(list, 'X-Q'), 'a=b')
  assert.ok(isYes(list, 'DEFAULT'))
  assert.equal(attributeText(list, 'MISSING'), undefined)
})

const MESSY: readonly (readonly [string, string, string])[] = [
  ['spaces around names and values', ' URI = "a b" , IV= 0x1 ', 'URI="a b",IV=0x1'],
  ['a missing pair of quotes', 'URI=key.bin,METHOD=AES-128', 'URI="key.bin",METHOD=AES-128'],
  ['codecs without quotes', 'CODECS=avc1.4d401f,mp4a.40.2,BANDWIDTH=1', 'CODECS="avc1.4d401f,mp4a.40.2",BANDWIDTH=1'],
  ['a quote that is not closed', 'URI="key.bin', 'URI="key.bin"'],
  ['something behind the closing quote', 'URI="key.bin"x,IV=0x1', 'URI="key.bin",IV=0x1'],
  ['names in lower case', 'uri="a"', 'URI="a"'],
  ['a name that stands twice: the last counts', 'URI="a",IV=0x1,URI="b"', 'IV=0x1,URI="b"'],
  ['commas too many', ',,URI="a",,', 'URI="a"'],
  ['nothing', '', ''],
  ['a value without a name', '=x,URI="a"', 'URI="a"'],
  ['a word that belongs to nothing', 'BANDWIDTH=1,word', 'BANDWIDTH=1'],
  ['closed captions by their name NONE', 'CLOSED-CAPTIONS=NONE,AUDIO=a', 'CLOSED-CAPTIONS=NONE,AUDIO="a"'],
]
for (const [title, text, written] of MESSY) {
  test(`forgives ${title}`, () => {
    assert.equal(writeAttributeList(parseAttributeList(text)), written)
  })
}

test('a value can neither end its quotes nor its line when it is written', () => {
  assert.equal(writeAttributeList([quoted('A', 'x"y\r\nz'), unquoted('B', '1\n2')]), 'A="x%22yz",B=12')
})

test('a list without names, and with one changed or added', () => {
  const list = parseAttributeList('A=1,URI="x",B=2')
  assert.equal(writeAttributeList(withoutAttributes(list, ['A', 'B'])), 'URI="x"')
  assert.equal(writeAttributeList(withQuoted(list, 'URI', 'y')), 'A=1,URI="y",B=2')
  assert.equal(writeAttributeList(withQuoted(list, 'NEW', 'y')), 'A=1,URI="x",B=2,NEW="y"')
})

test('numbers are decimal and nothing else', () => {
  assert.deepEqual(['1', '-1.5', ' 2 ', '.5', '3.'].map(decimal), [1, -1.5, 2, 0.5, 3])
  for (const text of ['', '0x10', '1e3', 'NaN', 'Infinity', '1,5', '9'.repeat(400)])
    assert.equal(decimal(text), undefined)
})

test('what is written is read as it was, whatever was read first', () => {
  fc.assert(
    fc.property(
      fc.string({ maxLength: 80, unit: fc.constantFrom('A', 'B', '=', '"', ',', ' ', '\t', 'x', '-', '0') }),
      (text) => {
        const once = writeAttributeList(parseAttributeList(text))
        assert.equal(writeAttributeList(parseAttributeList(once)), once)
      },
    ),
  )
})
