import assert from 'node:assert/strict'
import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { test } from 'node:test'
import { setViewerHeaders } from './viewer-headers.ts'

function headerOf(clientId: string): unknown {
  const response = new ServerResponse(new IncomingMessage(new Socket()))
  setViewerHeaders(response, 'ab12', clientId)
  assert.equal(response.getHeader('x-stream-id'), 'ab12')
  return response.getHeader('x-client-id')
}

test('a name that a header can hold is there as it is', () => {
  for (const name of ['vlc1', 'living room', '50%', '"q"']) assert.equal(headerOf(name), name)
})

test('any other is there in escapes, and fails no request', () => {
  for (const [name, escaped] of [
    ['Küche', 'K%C3%BCche'],
    ['📺', '%F0%9F%93%BA'],
    ['a\r\nSet-Cookie: b', 'a%0D%0ASet-Cookie%3A%20b'],
    ['\0', '%00'],
    [' a', '%20a'],
    ['\ud800', '%EF%BF%BD'],
  ] as const) {
    assert.equal(headerOf(name), escaped)
  }
})
