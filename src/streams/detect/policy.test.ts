import assert from 'node:assert/strict'
import { test } from 'node:test'
import { settings } from '../../config/settings.ts'
import { CONDITIONS, conditionFacts } from './conditions.ts'
import { detectionPolicy, isCondition, limitKeys } from './policy.ts'
import type { DetectionLimits } from './policy.ts'

const defaults = Object.fromEntries(settings.map(([key, setting]) => [key, setting.defaultValue]))
const limits = defaults as unknown as DetectionLimits

test('every condition has a setting of its own name, and both have the same default', () => {
  for (const condition of CONDITIONS) {
    const [, setting] = settings.find(([key]) => key === limitKeys[condition]) ?? []
    assert.equal(setting?.name, `DETECT_${condition.toUpperCase()}`)
    assert.equal(setting.defaultValue, conditionFacts[condition].defaultAction)
  }
})

test('what a stream chose counts before the configuration, also when it is chosen later', () => {
  let choice: { no_audio?: 'off' } = {}
  const policy = detectionPolicy(
    limits,
    () => choice,
    () => true,
  )
  assert.equal(policy.actionOf('no_audio'), 'fail')
  choice = { no_audio: 'off' }
  assert.equal(policy.actionOf('no_audio'), 'off')
  assert.equal(policy.actionOf('looping'), 'warn')
})

test('the absolute bit rate is watched only when the environment asks for it', () => {
  const none = () => undefined
  assert.equal(detectionPolicy(limits, none, () => true).bitRateFloor, undefined)
  assert.deepEqual(detectionPolicy({ ...limits, bitRateMonitoring: true }, none, () => true).bitRateFloor, {
    bytesPerSecondMin: 62_500,
    checkIntervalMs: 5_000,
    intervalsMax: 3,
    gracePeriodMs: 10_000,
  })
})

test('reasons of failures that are no conditions are told apart', () => {
  assert.equal(isCondition('no_video'), true)
  assert.equal(isCondition('stalled'), false)
  assert.equal(isCondition('toString'), false)
})
