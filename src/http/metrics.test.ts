import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createMetrics } from './metrics.ts'

function metricsOf(bytesSent: () => number = () => 1000) {
  return createMetrics({
    sources: {
      streams: () => 5,
      streamsActive: () => 3,
      viewers: () => 42,
      upstreamConnections: () => 4,
      bytesSent,
      bytesReceived: () => 100,
    },
    version: '1.2.3',
    includeProcess: false,
  })
}

test('readings are taken when Prometheus asks, and totals never double', async () => {
  let sent = 1000
  const metrics = metricsOf(() => sent)
  assert.match(await metrics.render(), /^holdfast_bytes_sent_total 1000$/m)
  sent = 1500
  const text = await metrics.render()
  assert.match(text, /^holdfast_bytes_sent_total 1500$/m)
  assert.match(text, /^holdfast_viewers 42$/m)
  assert.match(text, /^holdfast_streams 5$/m)
  assert.match(text, /^holdfast_upstream_connections 4$/m)
  assert.match(text, /^holdfast_info\{version="1\.2\.3"\} 1$/m)
  assert.match(text, /^# TYPE holdfast_bytes_sent_total counter$/m)
})

test('a switch is counted by reason and cause, and its durations are seconds', async () => {
  const metrics = metricsOf()
  const stalled = { reason: 'stalled', cause: 'failover', detectionMs: 1200, gapMs: 300, outageMs: 1500 }
  metrics.switched({ ...stalled, seam: 'seamless' })
  const unwatched = { detectionMs: undefined, gapMs: undefined, outageMs: undefined, seam: undefined }
  metrics.switched({ reason: 'manual', cause: 'operator', ...unwatched })
  metrics.drilled('stall', 'seamless')
  metrics.sourceFailed('stalled')
  const text = await metrics.render()
  assert.match(text, /^holdfast_switches_total\{reason="stalled",cause="failover"\} 1$/m)
  assert.match(text, /^holdfast_switches_total\{reason="manual",cause="operator"\} 1$/m)
  assert.match(text, /^holdfast_failure_detection_seconds_sum 1\.2$/m)
  assert.match(text, /^holdfast_failure_detection_seconds_count 1$/m)
  assert.match(text, /^holdfast_switch_gap_seconds_bucket\{le="0\.5"\} 1$/m)
  assert.match(text, /^holdfast_switch_gap_seconds_bucket\{le="0\.2"\} 0$/m)
  assert.match(text, /^holdfast_switch_outage_seconds_sum 1\.5$/m)
  assert.deepEqual(text.match(/^holdfast_switch_seams_total.*$/gm), ['holdfast_switch_seams_total{seam="seamless"} 1'])
  assert.match(text, /^holdfast_drills_total\{mode="stall",verdict="seamless"\} 1$/m)
  assert.match(text, /^holdfast_source_failures_total\{reason="stalled"\} 1$/m)
})

test('a condition of a source is counted by what was done about it', async () => {
  const metrics = metricsOf()
  metrics.sourceCondition('black', 'warn')
  metrics.sourceCondition('black', 'fail')
  metrics.sourceCondition('black', 'fail')
  const text = await metrics.render()
  assert.match(text, /^holdfast_source_conditions_total\{condition="black",action="warn"\} 1$/m)
  assert.match(text, /^holdfast_source_conditions_total\{condition="black",action="fail"\} 2$/m)
})

test('reasons without end do not become time series without end', async () => {
  const metrics = metricsOf()
  for (let index = 0; index < 1000; index += 1) metrics.sourceFailed(`reason ${index}`)
  const lines = (await metrics.render())
    .split('\n')
    .filter((line) => line.startsWith('holdfast_source_failures_total{'))
  assert.equal(lines.length, 65)
  assert.ok(lines.includes('holdfast_source_failures_total{reason="other"} 936'))
})

test('two gateways in one process do not share their numbers', async () => {
  const [one, two] = [metricsOf(), metricsOf()]
  one.sourceFailed('refused')
  assert.doesNotMatch(await two.render(), /refused/)
})

test('the process is measured too, with the lag of its event loop', async () => {
  const sources = { streams: () => 0, streamsActive: () => 0, viewers: () => 0, upstreamConnections: () => 0 }
  const metrics = createMetrics({
    sources: { ...sources, bytesSent: () => 0, bytesReceived: () => 0 },
    version: '1',
    includeProcess: true,
  })
  const text = await metrics.render()
  assert.match(text, /^nodejs_eventloop_lag_seconds /m)
  assert.match(text, /^process_resident_memory_bytes /m)
})
