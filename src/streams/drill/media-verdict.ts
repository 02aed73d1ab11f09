import { durationText, pidText } from '../../mpegts/analyser/finding.ts'
import type { Finding, FindingCode } from '../../mpegts/analyser/finding.ts'
import type { AnalyserReport } from '../../mpegts/analyser/report.ts'

/**
 * What the analyser says of what viewers were given during a drill. Durations in milliseconds; the counts leave out what
 * the source showed before the first switch.
 */
export interface MediaVerdict {
  readonly watchedMs: number | undefined
  readonly packets: number
  readonly continuityErrors: number
  /** The longest step from one DTS to the next, of video, or of audio when there is none. */
  readonly dtsStepMaxMs: number | undefined
  /** Of PCR, and of PTS and DTS. */
  readonly clockErrors: number
  readonly timestampErrors: number
  /** Changes of PAT and PMT. */
  readonly tableChanges: number
  /** Errors and warnings. */
  readonly findings: readonly MediaFinding[]
}

export interface MediaFinding extends Pick<Finding, 'code' | 'name' | 'severity' | 'pid' | 'count' | 'worst'> {
  readonly unit: Finding['unit'] | undefined
  /** How many of them there were before the first switch: then the source has them anyway. */
  readonly before: number
  /** The first one, in words. */
  readonly detail: string | undefined
}

const CLOCK: ReadonlySet<FindingCode> = new Set(['pcr_repetition_error', 'pcr_discontinuity_error'])
const TIMESTAMPS: ReadonlySet<FindingCode> = new Set([
  'pts_error',
  'dts_not_increasing',
  'dts_step',
  'pts_before_dts',
  'dts_before_pcr',
  'dts_far_from_pcr',
])
const TABLES: ReadonlySet<FindingCode> = new Set(['programme_changed', 'table_version_error', 'signature_changed'])

/** Judges what came between two readings of one analyser, `before` the first switch and `after` the last. */
export function mediaVerdict(before: AnalyserReport, after: AnalyserReport): MediaVerdict {
  const countBefore = (finding: Finding) =>
    before.findings.find(({ code, pid }) => code === finding.code && pid === finding.pid)?.count ?? 0
  const findings = after.findings
    .filter(({ severity }) => severity !== 'note')
    .map((finding): MediaFinding => ({
      code: finding.code,
      name: finding.name,
      severity: finding.severity,
      pid: finding.pid,
      count: finding.count,
      worst: finding.worst,
      unit: finding.unit,
      before: countBefore(finding),
      detail: finding.places[0]?.detail,
    }))
  // What a source shows anyway goes on showing, so what there is more of it says nothing about the drill.
  const total = (codes: ReadonlySet<FindingCode>) =>
    findings
      .filter(({ code, before: known }) => codes.has(code) && known === 0)
      .reduce((sum, { count }) => sum + count, 0)
  const streams = after.programmes.flatMap((programme) => programme.streams)
  const leading = streams.some(({ kind }) => kind === 'video') ? 'video' : 'audio'
  const steps = streams.flatMap(({ kind, dtsStep }) =>
    kind === leading && dtsStep !== undefined ? [dtsStep.maxMs] : [],
  )
  return {
    watchedMs: after.durationMs,
    packets: after.packets,
    continuityErrors: total(new Set(['continuity_count_error'])),
    dtsStepMaxMs: steps.length === 0 ? undefined : Math.max(...steps),
    clockErrors: total(CLOCK),
    timestampErrors: total(TIMESTAMPS),
    tableChanges: total(TABLES),
    findings,
  }
}

/** What the drill brought about, in words; what the source shows anyway is left out. */
export function mediaWords({ findings }: MediaVerdict): readonly string[] {
  return findings
    .filter(({ before }) => before === 0)
    .map(({ name, pid, count, worst, unit, detail }) => {
      const where = pid === undefined ? '' : ` on ${pidText(pid)}`
      const times = count === 1 ? '' : `, ${count} times`
      const most = worst === undefined || unit !== 'ms' ? '' : `, up to ${durationText(worst)}`
      return `${name}${where}${times}${most}${detail === undefined ? '' : ` (${detail})`}`
    })
}
