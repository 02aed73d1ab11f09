import type { AccessRecord } from '../forward/access-record.ts'

const STATUS_CLASSES = ['1xx', '2xx', '3xx', '4xx', '5xx', 'none'] as const
export type StatusClass = (typeof STATUS_CLASSES)[number]

/** What a service has done since the start of the process; nothing here ever falls. */
export class ServiceCounters {
  /** Requests by what the client was told; `none` when it was told nothing. */
  readonly requests: Record<StatusClass, number> = { '1xx': 0, '2xx': 0, '3xx': 0, '4xx': 0, '5xx': 0, none: 0 }
  attempts = 0
  retries = 0
  hedges = 0
  resumptions = 0
  /** Answers that broke off, and the client's connection with them. */
  cut = 0
  /** Requests that we answered because no endpoint did. */
  refused = 0
  /** Endpoints that became unhealthy. */
  ejections = 0
  requestBytes = 0
  responseBytes = 0

  count(record: AccessRecord): void {
    this.requests[statusClass(record.status)] += 1
    this.attempts += record.attempts
    this.retries += record.retries
    this.resumptions += record.resumptions
    this.requestBytes += record.requestBytes
    this.responseBytes += record.responseBytes
    if (record.isHedged) this.hedges += 1
    if (record.ending === 'cut') this.cut += 1
    if (record.ending === 'refused') this.refused += 1
  }
}

function statusClass(status: number): StatusClass {
  return STATUS_CLASSES[Math.floor(status / 100) - 1] ?? 'none'
}
