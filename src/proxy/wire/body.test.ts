import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { createBodyReader } from './body.ts'
import type { BodyFraming } from './head.ts'

const limits = { chunkLineBytesMax: 64, chunkExtensionBytesMax: 100, trailerBytesMax: 128, trailerFieldsMax: 4 }

interface Outcome {
  readonly content: string
  readonly isDone: boolean
  readonly failure: string | undefined
  readonly trailers: readonly string[]
  /** What was left behind the body. */
  readonly rest: string
}

/** Reads `text` in the pieces that `cuts` make of it. */
function read(framing: BodyFraming, text: string, cuts: readonly number[] = []): Outcome {
  const bytes = Buffer.from(text, 'latin1')
  const ends = [...new Set([...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length])].toSorted((a, b) => a - b)
  const reader = createBodyReader(framing, limits)
  let content = ''
  let at = 0
  for (const end of ends) {
    // A buffer of its own for every piece, overwritten after it was read, as the read buffer of a connection is.
    const piece = Buffer.from(bytes.subarray(at, end))
    const behind = reader.read(piece, 0, piece.length, {
      onBodyPiece: (slice) => {
        content += slice.toString('latin1')
      },
    })
    piece.fill(0x21)
    if (reader.isDone || reader.failure !== undefined) {
      at += behind
      break
    }
    assert.equal(behind, piece.length, 'a body that goes on takes all that is there')
    at = end
  }
  const rest = reader.failure === undefined ? bytes.toString('latin1', at) : ''
  return { content, isDone: reader.isDone, failure: reader.failure, trailers: reader.trailers, rest }
}

const chunked: BodyFraming = { kind: 'chunked' }

test('a body of a known length ends there', () => {
  assert.deepEqual(read({ kind: 'length', bytes: 3 }, 'abcGET'), {
    content: 'abc',
    isDone: true,
    failure: undefined,
    trailers: [],
    rest: 'GET',
  })
  assert.equal(read({ kind: 'length', bytes: 4 }, 'abc').isDone, false)
  assert.equal(read({ kind: 'none' }, 'GET').rest, 'GET')
  assert.equal(read({ kind: 'close' }, 'abc').isDone, false)
})

test('chunks are joined, extensions dropped, trailers kept', () => {
  const outcome = read(chunked, '3;a=b;c="d\\"e"\r\nabc\r\n00A\r\n0123456789\r\n0;x\r\nX-Sum: 1\r\nY:2\r\n\r\nGET')
  assert.deepEqual(outcome, {
    content: 'abc0123456789',
    isDone: true,
    failure: undefined,
    trailers: ['X-Sum', '1', 'Y', '2'],
    rest: 'GET',
  })
})

const broken: readonly (readonly [string, string])[] = [
  ['a size with a prefix', '0x3\r\nabc\r\n0\r\n\r\n'],
  ['a size with a sign', '+3\r\nabc\r\n0\r\n\r\n'],
  ['a size with a blank behind it', '3 \r\nabc\r\n0\r\n\r\n'],
  ['a size with a blank ahead of it', ' 3\r\nabc\r\n0\r\n\r\n'],
  ['no size', '\r\nabc\r\n0\r\n\r\n'],
  ['a size beyond what a number holds', '10000000000000003\r\nabc\r\n0\r\n\r\n'],
  ['a bare LF behind the size', '3\nabc\r\n0\r\n\r\n'],
  ['a bare CR behind the size', '3\rabc\r\n0\r\n\r\n'],
  ['a bare LF within an extension', '3;a\nb\r\nabc\r\n0\r\n\r\n'],
  ['an extension with a bare CR', '3;a\rb\r\nabc\r\n0\r\n\r\n'],
  ['an extension with a blank', '3; a\r\nabc\r\n0\r\n\r\n'],
  ['an empty extension', '3;\r\nabc\r\n0\r\n\r\n'],
  ['a NUL in an extension', '3;a=\0\r\nabc\r\n0\r\n\r\n'],
  ['a chunk longer than its size', '3\r\nabcd\r\n0\r\n\r\n'],
  ['a chunk that ends with something and a LF', '3\r\nabcX\n0\r\n\r\n'],
  ['a chunk that ends with a bare LF', '3\r\nabc\n0\r\n\r\n'],
  ['a chunk that ends with a bare CR', '3\r\nabc\r0\r\n\r\n'],
  ['a trailer that is folded', '0\r\nX: a\r\n b\r\n\r\n'],
  ['a trailer that frames', '0\r\nContent-Length: 3\r\n\r\n'],
  ['a trailer with a bare LF', '0\r\nX: a\nY: b\r\n\r\n'],
  ['trailers beyond the limit', `0\r\nX: ${'y'.repeat(200)}\r\n\r\n`],
  ['an extension beyond the limit', `3;a=${'y'.repeat(200)}\r\nabc\r\n0\r\n\r\n`],
  ['extensions beyond the limit together', `3;a=${'y'.repeat(50)}\r\nabc\r\n`.repeat(3)],
]

describe('a chunked body is refused for', () => {
  for (const [name, text] of broken) {
    test(name, () => {
      const outcome = read(chunked, text)
      assert.ok(outcome.failure !== undefined, `accepted as ${JSON.stringify(outcome)}`)
      assert.equal(outcome.isDone, false)
    })
  }
})

const chunkParts = fc
  .array(
    fc.constantFrom(
      ...['3\r\nabc\r\n', '1;a\r\nx\r\n', 'A\r\n0123456789\r\n', '0\r\n', '\r\n', 'X: y\r\n', '0', '\r', '\n'],
      ...[';a="b"', ';', ' ', 'abc', 'ff', '00', '\0', ':', 'G', 'y'.repeat(60)],
    ),
    { maxLength: 12 },
  )
  .map((parts) => parts.join(''))

test('the pieces in which a body arrives never change what becomes of it', () => {
  fc.assert(
    fc.property(chunkParts, fc.array(fc.nat(1_000), { maxLength: 30 }), (text, cuts) => {
      assert.deepEqual(read(chunked, text, cuts), read(chunked, text))
    }),
    { numRuns: 4_000 },
  )
})

test('whatever is sent in chunks is read as it was sent', () => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ minLength: 1, unit: 'binary-ascii' })),
      fc.array(fc.nat(1_000)),
      (pieces, cuts) => {
        const text = `${pieces.map((piece) => `${piece.length.toString(16)}\r\n${piece}\r\n`).join('')}0\r\n\r\n`
        const outcome = read(chunked, `${text}next`, cuts)
        assert.deepEqual([outcome.content, outcome.rest, outcome.isDone], [pieces.join(''), 'next', true])
      },
    ),
    { numRuns: 1_000 },
  )
})
