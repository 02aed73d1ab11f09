import assert from 'node:assert/strict'
import { test } from 'node:test'
import { redactUrl, redactUrlsIn } from './redact.ts'

test('credentials do not show, whatever the protocol', () => {
  assert.equal(
    redactUrl('http://u:p@h/live/name/word/1.ts?token=1&x=2'),
    'http://***:***@h/live/***/***/1.ts?token=***&x=2',
  )
  assert.equal(redactUrl('rtsp://admin:secret@10.0.0.1:554/ch1'), 'rtsp://***:***@10.0.0.1:554/ch1')
  assert.equal(redactUrl('srt://h:9000?passphrase=0123456789&latency=20'), 'srt://h:9000?passphrase=***&latency=20')
  assert.equal(redactUrl('not a url'), 'not a url')
})

test('every URL in a text is redacted', () => {
  assert.equal(
    redactUrlsIn('rtsp://a:b@h/1: Connection refused, then rtmp://c:d@h/app and https://e:f@h/'),
    'rtsp://***:***@h/1: Connection refused, then rtmp://***:***@h/app and https://***:***@h/',
  )
})
