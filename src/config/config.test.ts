import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readConfig, settingsIgnored } from './config.ts'
import { settings } from './settings.ts'
import { settingsWithoutEffect } from './settings-without-effect.ts'

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

/** Every variable that m3u-proxy reads, with those of its later versions that are known (docs/CONFIGURATION.md lists ours). */
const PEER_VARIABLES = `
  HOST PORT LOG_LEVEL APP_DEBUG RELOAD DOCS_URL REDOC_URL OPENAPI_URL ROOT_PATH API_TOKEN
  CLIENT_TIMEOUT STREAM_TIMEOUT SHARED_STREAM_TIMEOUT CLEANUP_INTERVAL SHARED_STREAM_GRACE STREAM_SHARING_STRATEGY
  MAX_CLIENTS_PER_SHARED_STREAM CHANGE_BUFFER_CHUNKS DEFAULT_USER_AGENT DEFAULT_CONNECTION_TIMEOUT DEFAULT_READ_TIMEOUT
  DEFAULT_MAX_RETRIES DEFAULT_BACKOFF_FACTOR DEFAULT_HEALTH_CHECK_INTERVAL DEFAULT_RETRY_ATTEMPTS DEFAULT_RETRY_DELAY
  TEMP_DIR LOG_FILE VOD_READ_TIMEOUT VOD_WRITE_TIMEOUT LIVE_TV_WRITE_TIMEOUT CONNECTION_IDLE_ALERT_THRESHOLD
  CONNECTION_IDLE_ERROR_THRESHOLD ENABLE_CONNECTION_IDLE_MONITORING LIVE_CHUNK_TIMEOUT_SECONDS MAX_FAILOVER_ATTEMPTS
  STREAM_RETRY_ATTEMPTS STREAM_RETRY_DELAY STREAM_TOTAL_TIMEOUT STREAM_RETRY_EXPONENTIAL_BACKOFF STRICT_LIVE_TS
  STRICT_LIVE_TS_PREBUFFER_SIZE STRICT_LIVE_TS_CIRCUIT_BREAKER_TIMEOUT STRICT_LIVE_TS_CIRCUIT_BREAKER_COOLDOWN
  STRICT_LIVE_TS_PREBUFFER_TIMEOUT USE_STICKY_SESSION ENABLE_BITRATE_MONITORING MIN_BITRATE_THRESHOLD
  BITRATE_CHECK_INTERVAL BITRATE_FAILOVER_THRESHOLD BITRATE_MONITORING_GRACE_PERIOD ENABLE_SILENCE_DETECTION
  SILENCE_THRESHOLD_DB SILENCE_DURATION SILENCE_CHECK_INTERVAL SILENCE_FAILOVER_THRESHOLD
  SILENCE_MONITORING_GRACE_PERIOD REDIS_ENABLED REDIS_HOST REDIS_SERVER_PORT REDIS_DB REDIS_PASSWORD REDIS_URL
  ENABLE_TRANSCODING_POOLING WORKER_ID HEARTBEAT_INTERVAL HLS_GC_ENABLED HLS_GC_INTERVAL HLS_GC_AGE_THRESHOLD
  HLS_TEMP_DIR HLS_WAIT_TIME HLS_BROADCAST_DIR DVR_RECORDING_DIR BROADCAST_GC_ENABLED BROADCAST_CALLBACK_TIMEOUT
  BROADCAST_MAX_START_RETRIES BROADCAST_START_RETRY_WINDOW BROADCAST_START_RETRY_COOLDOWN BROADCAST_START_FAILURE_GRACE
  STREAMLINK_ENABLED YTDLP_ENABLED HW_ACCEL_AVAILABLE HW_ACCEL_TYPE HW_ACCEL_DEVICE LIVE_SILENT_RECONNECT_MIN_CHUNKS
  VOD_CHUNK_TIMEOUT_SECONDS VOD_PROBE_TIMEOUT LOG_ANONYMIZE LOG_DIR DISABLE_ASGI_DISCONNECT_MONITOR`

test('every variable of m3u-proxy is a setting here or is said to have no effect', () => {
  const known = new Set([...settings.map(([, setting]) => setting.name), ...Object.keys(settingsWithoutEffect)])
  const unknown = PEER_VARIABLES.trim()
    .split(/\s+/)
    .filter((name) => !known.has(name))
  assert.deepEqual(unknown, [])
})

test('private networks are read as a list, and each of them has to be one', () => {
  const read = (text: string) => readConfig({ TUNNEL_PRIVATE_NETWORKS: text }).tunnelPrivateNetworks
  assert.deepEqual(read(' 10.1.0.0/16, fd00:1::/64,192.0.2.7 '), ['10.1.0.0/16', 'fd00:1::/64', '192.0.2.7'])
  assert.deepEqual(read(''), [])
  for (const wrong of ['10.1.0.0/33', '10.1.0/16', 'backend', 'fd00::/129', '10.0.0.0/8;10.1.0.0/8']) {
    assert.throws(() => read(wrong), /TUNNEL_PRIVATE_NETWORKS=.*must be at most 100 networks/, wrong)
  }
})
