import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isRecognisable, judgeResumption, partOf } from './entity.ts'
import type { Entity, EntityHead } from './entity.ts'

const OFFSET = 40
const DATE = 'Wed, 21 Oct 2026 07:28:00 GMT'
const LATER = 'Thu, 22 Oct 2026 07:28:00 GMT'

/** The rest of a file of 100 bytes from byte 40 on, as a source would answer. */
function rest(headers: Readonly<Record<string, string>> = {}, status = 206): EntityHead {
  return { status, headers: { 'content-range': 'bytes 40-99/100', 'content-length': '60', ...headers } }
}

function known(entity: Partial<Entity>): Entity {
  return { etag: undefined, lastModified: undefined, totalBytes: 100, ...entity }
}

const replica = (entity: Entity, head: EntityHead): string => judgeResumption(entity, OFFSET, head, false).kind
const sameUrl = (entity: Entity, head: EntityHead): string => judgeResumption(entity, OFFSET, head, true).kind

test('equal strong tags are enough, different ones never pass', () => {
  assert.equal(replica(known({ etag: '"a"', totalBytes: undefined }), rest({ etag: '"a"' })), 'same')
  assert.equal(replica(known({ etag: '"a"' }), rest({ etag: '"b"' })), 'different')
  assert.equal(replica(known({ etag: '"a"' }), rest({ etag: 'W/"b"' })), 'different')
})

test('a weak tag only counts together with the length', () => {
  assert.equal(replica(known({ etag: 'W/"a"' }), rest({ etag: 'W/"a"' })), 'same')
  assert.equal(replica(known({ etag: 'W/"a"', totalBytes: undefined }), rest({ etag: 'W/"a"' })), 'different')
})

test('without a tag on either side the length decides', () => {
  assert.equal(replica(known({}), rest()), 'same')
  assert.equal(replica(known({ etag: '"a"' }), rest()), 'same')
  assert.equal(replica(known({}), rest({ etag: '"a"' })), 'same')
  assert.equal(replica(known({ totalBytes: 101 }), rest()), 'different')
  assert.equal(replica(known({ totalBytes: undefined }), rest()), 'different')
  assert.equal(replica(known({}), rest({ 'content-range': 'bytes 40-99/*' })), 'different')
})

test('an equal tag does not excuse another length', () => {
  assert.equal(replica(known({ etag: '"a"', totalBytes: 101 }), rest({ etag: '"a"' })), 'different')
})

test('another date means a replaced file on the same URL, but not on a replica', () => {
  assert.equal(sameUrl(known({ lastModified: DATE }), rest({ 'last-modified': LATER })), 'different')
  assert.equal(sameUrl(known({ lastModified: DATE }), rest({ 'last-modified': DATE })), 'same')
  assert.equal(replica(known({ lastModified: DATE }), rest({ 'last-modified': LATER })), 'same')
})

test('a part that the same URL sends in answer to If-Range needs no tag of its own', () => {
  const head = rest({ 'content-range': 'bytes 40-99/*' })
  assert.equal(sameUrl(known({ etag: '"a"' }), head), 'same')
  assert.equal(replica(known({ etag: '"a"' }), head), 'different')
})

test('only the rest from the wanted byte passes', () => {
  const heads: readonly EntityHead[] = [
    rest({}, 200),
    rest({}, 416),
    rest({ 'content-range': 'bytes 39-99/100', 'content-length': '61' }),
    rest({ 'content-range': 'bytes 41-99/100', 'content-length': '59' }),
    rest({ 'content-range': 'bytes 40-99/100', 'content-length': '59' }),
    rest({ 'content-range': 'nonsense' }),
    rest({ 'content-type': 'multipart/byteranges; boundary=x' }),
  ]
  for (const head of heads) assert.equal(replica(known({}), head), 'different', JSON.stringify(head))
})

test('knows what a body is a piece of', () => {
  const whole = partOf({ status: 200, headers: { 'content-length': '10', etag: '"a"' } })
  assert.deepEqual(whole, {
    entity: { etag: '"a"', lastModified: undefined, totalBytes: 10 },
    startByte: 0,
    endByte: 10,
    isResumable: true,
  })
  assert.equal(partOf({ status: 200, headers: {} })?.endByte, undefined)
  assert.equal(partOf(rest())?.endByte, 100)
  assert.equal(partOf({ status: 206, headers: {} }), undefined)
  const many = partOf({ status: 206, headers: { 'content-type': 'multipart/byteranges; boundary=x' } })
  assert.equal(many?.isResumable, false)
})

test('an entity without a length or a strong tag cannot be recognised elsewhere', () => {
  assert.equal(isRecognisable(known({})), true)
  assert.equal(isRecognisable(known({ totalBytes: undefined, etag: '"a"' })), true)
  assert.equal(isRecognisable(known({ totalBytes: undefined, etag: 'W/"a"', lastModified: DATE })), false)
})
