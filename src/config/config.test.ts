import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readConfig, settingsIgnored } from './config.ts'
import { settings, settingsWithoutEffect } from './settings.ts'

test('without any variable every setting has its default, durations in milliseconds', () => {
  const config = readConfig({})
  assert.equal(config.port, 8085)
  assert.equal(config.connectTimeoutMs, 30_000)
  assert.equal(config.stallFloorMs, 1000)
  assert.equal(config.host, undefined)
})

test('every default is accepted when it is written out', () => {
  const environment = Object.fromEntries(settings.map(([, setting]) => [setting.name, setting.defaultText]))
  assert.deepEqual(readConfig(environment), readConfig({}))
})

test('a wrong configuration lists every problem with its variable and what is allowed', () => {
  assert.throws(
    () => readConfig({ PORT: '99999', LOG_LEVEL: 'loud', LIVE_CHUNK_TIMEOUT_SECONDS: '3', TRUST_PROXY: 'maybe' }),
    (error: Error) => {
      assert.match(error.message, /PORT="99999": must be a whole number from 0 to 65535/)
      assert.match(error.message, /LOG_LEVEL="loud": must be one of debug/)
      assert.match(error.message, /TRUST_PROXY="maybe": must be true or false/)
      assert.doesNotMatch(error.message, /LIVE_CHUNK_TIMEOUT_SECONDS/)
      return true
    },
  )
})

test('a variable that has no effect is named with the reason', () => {
  assert.deepEqual(settingsIgnored({ REDIS_HOST: 'redis', PORT: '1' }), [
    { name: 'REDIS_HOST', reason: 'the embedded store needs no server' },
  ])
})

test('no variable is both a setting and without effect', () => {
  const both = settings.map(([, setting]) => setting.name).filter((name) => name in settingsWithoutEffect)
  assert.deepEqual(both, [])
})
