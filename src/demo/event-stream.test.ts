import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseEvent } from './event-stream.ts'

test('an event is read from its data lines, its type in lower case', () => {
  const block =
    'id: 7\nevent: switch_completed\ndata: {"event_type":"SWITCH_COMPLETED",\ndata:"stream_id":"a","data":{"gap_ms":5}}'
  assert.deepEqual(parseEvent(block), { type: 'switch_completed', streamId: 'a', data: { gap_ms: 5 } })
})

test('comments and data of another shape are no events', () => {
  assert.equal(parseEvent(': heartbeat'), undefined)
  assert.equal(parseEvent('data: 5'), undefined)
  assert.equal(parseEvent('data: {"event_type":5}'), undefined)
})
