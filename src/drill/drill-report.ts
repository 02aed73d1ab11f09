import { redactUrl } from '../lib/redact.ts'
import { fieldOf } from './gateway-client.ts'

/** A drill's report, as the gateway gives it, for people, as lines. */
export function describeDrill(report: unknown): readonly string[] {
  const steps = listOf(report, 'steps')
  const findings = listOf(report, 'findings').map(String)
  return [
    `drill ${text(report, 'mode')} of stream ${text(report, 'stream_id')}: ${text(report, 'verdict').toUpperCase()}`,
    '',
    `  target   ${describeTarget(fieldOf(report, 'target'))}`,
    ...steps.flatMap(describeStep),
    `  viewers  ${describeViewers(fieldOf(report, 'viewers'))}`,
    `  media    ${describeMedia(fieldOf(report, 'media'))}`,
    '',
    ...(findings.length === 0
      ? ['nothing that a player would stumble over: one unbroken programme']
      : ['what a viewer may notice', ...findings.map((finding) => `  ${finding}`)]),
  ]
}

function describeTarget(target: unknown): string {
  if (text(target, 'verified') === 'received') return 'verified: it is received all the time'
  return `verified: connected in ${ms(target, 'connect_ms')}, keyframe after ${ms(target, 'first_keyframe_ms')}`
}

function describeStep(step: unknown): readonly string[] {
  const from = `${text(step, 'old_index')} ${redactUrl(text(step, 'old_url'))}`
  const to = `${text(step, 'failover_index')} ${redactUrl(text(step, 'new_url'))}`
  const detected = fieldOf(step, 'detection_ms') === null ? '' : `, noticed after ${ms(step, 'detection_ms')}`
  const standby = fieldOf(step, 'was_standby') === true ? ', from the standby' : ''
  return [
    `  ${text(step, 'step').padEnd(9)}${text(step, 'cause')} (${text(step, 'reason')})${detected}${standby}`,
    `           from ${from}`,
    `           to   ${to}`,
    `           gap ${ms(step, 'gap_ms')}, outage ${ms(step, 'outage_ms')}, jump ${ms(step, 'media_jump_ms')}, units dropped ${text(step, 'units_dropped')}, seam ${text(step, 'seam')}`,
  ]
}

function describeViewers(viewers: unknown): string {
  return `${text(viewers, 'before')} before, ${text(viewers, 'after')} after, ${text(viewers, 'kept')} kept their connection`
}

function describeMedia(media: unknown): string {
  if (media === null || media === undefined) return 'not looked into'
  const seconds = Number(text(media, 'watched_ms')) / 1_000
  return [
    `${text(media, 'packets')} packets in ${Number.isFinite(seconds) ? `${seconds.toFixed(1)} s` : '?'}`,
    `continuity errors ${text(media, 'continuity_errors')}`,
    `longest DTS step ${ms(media, 'dts_step_max_ms')}`,
    `clock errors ${text(media, 'clock_errors')}`,
    `timestamp errors ${text(media, 'timestamp_errors')}`,
    `table changes ${text(media, 'table_changes')}`,
  ].join(', ')
}

function listOf(value: unknown, name: string): readonly unknown[] {
  const found = fieldOf(value, name)
  return Array.isArray(found) ? found : []
}

/** A scalar as text; `-` where there is nothing. */
function text(value: unknown, name: string): string {
  const found = fieldOf(value, name)
  return typeof found === 'string' || typeof found === 'number' ? String(found) : '-'
}

function ms(value: unknown, name: string): string {
  const found = text(value, name)
  return found === '-' ? found : `${found} ms`
}
