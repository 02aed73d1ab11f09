import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hasDotSegment } from './dot-segment.ts'

test('a path that goes up is noticed however it is written', () => {
  const paths = ['/..', '/a/../b', '/a/%2E%2e/b', '/a/.%2e?q', '/./a', '/a/..;/b', '/a/..;x=1/b', '/a/..%3B/b']
  for (const path of [...paths, '/..%2fb', '/a%2F..%2Fb', '/a\\..\\b', '/a/..\\b', '/a%5c..%5cb', '/%2e%2e%2fx']) {
    assert.ok(hasDotSegment(path), path)
  }
})

test('dots in names, and whatever a query holds, lead nowhere', () => {
  for (const path of ['/...', '/a..b/', '/.well-known/x', '/a%2fb', '/a..%2fb', '/%2ehidden', '/a;..b', '*']) {
    assert.ok(!hasDotSegment(path), path)
  }
  for (const path of ['/a?b=/../c', '/a?/..', '/a?%2f..%2f', '/%20?x=/./y']) assert.ok(!hasDotSegment(path), path)
})
