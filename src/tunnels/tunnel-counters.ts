import { z } from 'zod'
import type { TunnelMetrics } from './tunnel.ts'

/** As the store keeps them. */
export const storedCounters = z.object({
  successes: z.number(),
  failures: z.number(),
  latencies: z.number(),
  latencySumMs: z.number(),
  latencyMinMs: z.number(),
  latencyMaxMs: z.number(),
})

type Counted = Readonly<z.infer<typeof storedCounters>>

const NOTHING: Counted = {
  successes: 0,
  failures: 0,
  latencies: 0,
  latencySumMs: 0,
  latencyMinMs: 0,
  latencyMaxMs: 0,
}

/** What the requests of one tunnel came to, since it was made. */
export class TunnelCounters {
  #counted: Counted

  constructor(counted: Counted = NOTHING) {
    this.#counted = counted
  }

  get stored(): Counted {
    return this.#counted
  }

  /** `latencyMs` where it was measured. */
  count(outcome: 'success' | 'failure', latencyMs: number | undefined): void {
    const { successes, failures } = this.#counted
    this.#counted = {
      ...this.#counted,
      ...(outcome === 'success' ? { successes: successes + 1 } : { failures: failures + 1 }),
    }
    if (latencyMs === undefined) return
    const { latencies, latencySumMs, latencyMinMs, latencyMaxMs } = this.#counted
    this.#counted = {
      ...this.#counted,
      latencies: latencies + 1,
      latencySumMs: latencySumMs + latencyMs,
      latencyMinMs: latencies === 0 ? latencyMs : Math.min(latencyMinMs, latencyMs),
      latencyMaxMs: Math.max(latencyMaxMs, latencyMs),
    }
  }

  metrics(): TunnelMetrics {
    const { successes, failures, latencies, latencySumMs, latencyMinMs, latencyMaxMs } = this.#counted
    const requestCount = successes + failures
    return {
      requestCount,
      successCount: successes,
      errorCount: failures,
      successRate: requestCount === 0 ? 100 : rounded((100 * successes) / requestCount),
      averageLatency: latencies === 0 ? 0 : rounded(latencySumMs / latencies),
      minLatency: rounded(latencyMinMs),
      maxLatency: rounded(latencyMaxMs),
    }
  }
}

function rounded(value: number): number {
  return Math.round(value * 100) / 100
}
