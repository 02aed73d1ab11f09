import assert from 'node:assert/strict'
import { test } from 'node:test'
import { queryOf, withoutKeyFields, withoutKeyParameter } from './own-keys.ts'

const access = { isOwnKey: (text: string) => text === 'ours' }

test('fields that hold a key of ours are taken off, in any case and however often', () => {
  const fields = ['Host', 'h', 'x-api-TOKEN', 'ours', 'AUTHORIZATION', 'bearer  ours', 'X-API-Token', 'theirs']
  assert.deepEqual(withoutKeyFields(fields, access), ['Host', 'h', 'X-API-Token', 'theirs'])
  const kept = ['Authorization', 'Basic ours', 'Authorization', 'Bearer theirs', 'Cookie', 'ours']
  assert.equal(withoutKeyFields(kept, access), kept)
})

test('the parameter with our key is taken off, and the others stay byte for byte', () => {
  for (const [path, left] of [
    ['/a?api_token=ours', '/a'],
    ['/a?x=%41&api_token=ours&y=+', '/a?x=%41&y=+'],
    ['/a?api%5Ftoken=ours&b', '/a?b'],
    ['/a?api_token=theirs', '/a?api_token=theirs'],
    ['/a?api_token=ours&api_token=theirs', '/a?api_token=theirs'],
    ['/api_token=ours', '/api_token=ours'],
    ['/a?', '/a?'],
  ] as const) {
    assert.equal(withoutKeyParameter(path, access), left, path)
  }
})

test('an access decision reads the parameter as we take it off', () => {
  assert.equal(queryOf('/a?api%5Ftoken=ou%72s&b=1')['api_token'], 'ours')
  assert.deepEqual(queryOf('/a'), {})
})
