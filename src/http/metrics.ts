import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'
import { mediaAnswer } from './documented-answers.ts'
import type { RouteGroup } from './server.ts'

/** Values that are read when Prometheus asks, by whoever has them. */
export interface MetricSources {
  /** Streams that exist. */
  streams(): number
  /** Streams with media flowing or being recovered. */
  streamsActive(): number
  viewers(): number
  upstreamConnections(): number
  /** Bytes of media since the start; never falls. */
  bytesSent(): number
  bytesReceived(): number
}

export interface Metrics {
  /** A switch settled, other than in a drill. */
  switched(report: SwitchMeasures): void
  /** A drill came to its end. */
  drilled(mode: string, verdict: string): void
  sourceFailed(reason: string): void
  sourceCondition(condition: string, action: string): void
  /** The text that Prometheus scrapes. */
  render(): Promise<string>
  readonly contentType: string
}

/** Durations in milliseconds; undefined where there was nothing to measure. */
export interface SwitchMeasures {
  readonly reason: string
  readonly cause: string
  readonly detectionMs: number | undefined
  readonly gapMs: number | undefined
  readonly outageMs: number | undefined
  /** How the sources were joined. */
  readonly seam: string | undefined
}

export interface MetricsOptions {
  readonly sources: MetricSources
  readonly version: string
  /** Also of the process: memory, CPU, file descriptors, garbage collection, event-loop lag. */
  readonly includeProcess: boolean
  /** Adds what other parts of the gateway count. */
  readonly addMore?: (registers: Registry[]) => void
}

const DETECTION_SECONDS = [0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 1.5, 2.5, 5, 10, 15, 30]
const GAP_SECONDS = [0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60]
/** Each value of a label is a time series for ever; past this many the rest is counted as `other`. */
const LABEL_VALUES_MAX = 64

/** The metrics registry of one gateway (docs/API.md lists what is in it). */
export function createMetrics({ sources, version, includeProcess, addMore }: MetricsOptions): Metrics {
  const registry = new Registry()
  const registers = [registry]
  addReadings(registers, sources)
  addMore?.(registers)
  const info = { name: 'holdfast_info', help: 'Version of the gateway.', labelNames: ['version'], registers } as const
  new Gauge(info).set({ version }, 1)
  const switches = new Counter({
    name: 'holdfast_switches_total',
    help: 'Switches of the source on air that settled.',
    labelNames: ['reason', 'cause'],
    registers,
  })
  const { failures, conditions } = sourceCounters(registers)
  const detection = new Histogram({
    name: 'holdfast_failure_detection_seconds',
    help: 'From the last good media of a source that failed to noticing it.',
    buckets: DETECTION_SECONDS,
    registers,
  })
  const gap = new Histogram({
    name: 'holdfast_switch_gap_seconds',
    help: 'The longest time that viewers were given nothing at a switch.',
    buckets: GAP_SECONDS,
    registers,
  })
  const outage = new Histogram({
    name: 'holdfast_switch_outage_seconds',
    help: 'From the last media of the old source to the first of the new one, a slate between them included.',
    buckets: GAP_SECONDS,
    registers,
  })
  const seams = new Counter({
    name: 'holdfast_switch_seams_total',
    help: 'Switches that somebody watched, by how the sources were joined.',
    labelNames: ['seam'],
    registers,
  })
  const drills = new Counter({
    name: 'holdfast_drills_total',
    help: 'Drills that came to their end. Their switches are counted nowhere else.',
    labelNames: ['mode', 'verdict'],
    registers,
  })
  if (includeProcess) collectDefaultMetrics({ register: registry })
  const reasonLabel = boundedLabel()
  const causeLabel = boundedLabel()
  return {
    switched: ({ reason, cause, detectionMs, gapMs, outageMs, seam }) => {
      switches.inc({ reason: reasonLabel(reason), cause: causeLabel(cause) })
      if (detectionMs !== undefined) detection.observe(detectionMs / 1000)
      if (gapMs !== undefined) gap.observe(gapMs / 1000)
      if (outageMs !== undefined) outage.observe(outageMs / 1000)
      if (seam !== undefined) seams.inc({ seam })
    },
    drilled: (mode, verdict) => drills.inc({ mode, verdict }),
    sourceFailed: (reason) => failures.inc({ reason: reasonLabel(reason) }),
    sourceCondition: (condition, action) => conditions.inc({ condition, action }),
    render: async () => registry.metrics(),
    contentType: registry.contentType,
  }
}

function sourceCounters(registers: Registry[]): {
  failures: Counter<'reason'>
  conditions: Counter<'condition' | 'action'>
} {
  const failures = new Counter({
    name: 'holdfast_source_failures_total',
    help: 'Sources that failed while they were wanted.',
    labelNames: ['reason'],
    registers,
  })
  const conditions = new Counter({
    name: 'holdfast_source_conditions_total',
    help: 'Conditions of sources that were told (warn) or for which they were left (fail).',
    labelNames: ['condition', 'action'],
    registers,
  })
  return { failures, conditions }
}

function addReadings(registers: Registry[], sources: MetricSources): void {
  const gauge = (name: string, help: string, read: () => number): void => {
    void new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read())
      },
    })
  }
  const counter = (name: string, help: string, read: () => number): void => {
    void new Counter({
      name,
      help,
      registers,
      collect() {
        this.reset()
        this.inc(read())
      },
    })
  }
  gauge('holdfast_streams', 'Streams that exist.', () => sources.streams())
  gauge('holdfast_streams_active', 'Streams with media flowing or being recovered.', () => sources.streamsActive())
  gauge('holdfast_viewers', 'Viewers that are connected.', () => sources.viewers())
  gauge('holdfast_upstream_connections', 'Connections to sources that are open.', () => sources.upstreamConnections())
  counter('holdfast_bytes_sent_total', 'Bytes of media handed to viewers.', () => sources.bytesSent())
  counter('holdfast_bytes_received_total', 'Bytes of media read from sources.', () => sources.bytesReceived())
}

function boundedLabel(): (value: string) => string {
  const known = new Set<string>()
  return (value) => {
    if (known.has(value)) return value
    if (known.size >= LABEL_VALUES_MAX) return 'other'
    known.add(value)
    return value
  }
}

/** GET /metrics, for operators: Prometheus sends the token as `authorization`. */
export function metricsRoutes(metrics: Metrics): RouteGroup {
  return {
    access: 'operator',
    plugin: async (app) => {
      const response = { 200: mediaAnswer('Every metric', ['text/plain']) }
      const schema = { summary: 'Metrics for Prometheus', tags: ['monitoring'], response }
      app.get('/metrics', { schema }, async (_request, reply) => {
        return reply.type(metrics.contentType).send(await metrics.render())
      })
    },
  }
}
