import assert from 'node:assert/strict'
import { test } from 'node:test'
import { settings } from '../../config/settings.ts'
import { CONDITIONS, conditionFacts } from './conditions.ts'
import { detectionPolicy, conditionOf, limitKeys } from './policy.ts'
import type { DetectionLimits, StreamDetection } from './policy.ts'

const defaults = Object.fromEntries(settings.map(([key, setting]) => [key, setting.defaultValue]))
const limits = defaults as unknown as DetectionLimits

test('every condition has a setting of its own name, and both have the same default', () => {
  for (const condition of CONDITIONS) {
    const [, setting] = settings.find(([key]) => key === limitKeys[condition]) ?? []
    assert.equal(setting?.name, `DETECT_${condition.toUpperCase()}`)
    assert.equal(setting.defaultValue, conditionFacts[condition].defaultAction)
  }
})

/** A stream that says nothing of its own. */
const plain: StreamDetection = {
  choice: () => undefined,
  silence: () => ({}),
  hasAlternative: () => true,
  decoders: undefined,
}

test('what a stream chose counts before the configuration, also when it is chosen later', () => {
  let choice: { no_audio?: 'off' } = {}
  const policy = detectionPolicy(limits, { ...plain, choice: () => choice })
  assert.equal(policy.actionOf('no_audio'), 'fail')
  choice = { no_audio: 'off' }
  assert.equal(policy.actionOf('no_audio'), 'off')
  assert.equal(policy.actionOf('looping'), 'warn')
})

test('the absolute bit rate is watched only when the environment asks for it', () => {
  assert.equal(detectionPolicy(limits, plain).bitRateFloor, undefined)
  assert.deepEqual(detectionPolicy({ ...limits, bitRateMonitoring: true }, plain).bitRateFloor, {
    bytesPerSecondMin: 62_500,
    checkIntervalMs: 5_000,
    intervalsMax: 3,
    gracePeriodMs: 10_000,
  })
})

test('nothing is decoded by default, and silence is a plain hold where only its condition was chosen', () => {
  const policy = detectionPolicy(limits, { ...plain, choice: () => ({ silent: 'warn' }) })
  assert.deepEqual(
    ['black', 'frozen', 'silent'].map((name) => policy.actionOf(name as 'black')),
    ['off', 'off', 'warn'],
  )
  assert.deepEqual(policy.silence, { thresholdDb: -50, holdMs: 10_000, checks: undefined })
})

test('the compatible switch turns silence on with the thresholds of the environment', () => {
  const policy = detectionPolicy({ ...limits, silenceDetection: true }, plain)
  assert.equal(policy.actionOf('silent'), 'fail')
  assert.deepEqual(policy.silence, {
    thresholdDb: -50,
    holdMs: 3_000,
    checks: { intervalMs: 10_000, badMax: 3, gracePeriodMs: 15_000 },
  })
})

test('the fields of a stream count before the environment, and what makes no sense is brought to what does', () => {
  const silence = {
    enable_silence_detection: true,
    silence_threshold_db: -40,
    silence_duration: -1,
    silence_check_interval: 5,
    silence_failover_threshold: 0,
    silence_monitoring_grace_period: 2,
  }
  const policy = detectionPolicy(limits, { ...plain, silence: () => silence })
  assert.equal(policy.actionOf('silent'), 'fail')
  assert.deepEqual(policy.silence, {
    thresholdDb: -40,
    holdMs: 100,
    checks: { intervalMs: 5_000, badMax: 1, gracePeriodMs: 2_000 },
  })
  const off = { ...plain, silence: () => ({ enable_silence_detection: false }) }
  assert.equal(detectionPolicy({ ...limits, silenceDetection: true }, off).actionOf('silent'), 'off')
})

test('what was chosen for the condition counts before the compatible switch', () => {
  const policy = detectionPolicy(limits, {
    ...plain,
    choice: () => ({ silent: 'warn' }),
    silence: () => ({ enable_silence_detection: true }),
  })
  assert.equal(policy.actionOf('silent'), 'warn')
})

test('reasons of failures that are no conditions are told apart', () => {
  assert.equal(conditionOf('no_video'), 'no_video')
  assert.equal(conditionOf('silence_detected'), 'silent')
  assert.equal(conditionOf('stalled'), undefined)
  assert.equal(conditionOf('toString'), undefined)
})
