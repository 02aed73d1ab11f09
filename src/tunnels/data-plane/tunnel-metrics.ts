import { Counter, Gauge } from 'prom-client'
import type { Registry } from 'prom-client'
import type { TunnelService } from '../service.ts'
import type { RunningTunnel } from './running-tunnel.ts'

/** What the metrics are read from. */
export interface TunnelMetricSources {
  readonly tunnels: () => Pick<TunnelService, 'all'>
  /** Those that have had a request, in the order of the first. */
  readonly running: () => Iterable<RunningTunnel>
}

/** Tunnels with series of their own, those first that had the first request; what goes through others is `other`. */
const LABELLED_MAX = 100
const REST = 'other'

/** Adds what goes through tunnels to the metrics; it is read when Prometheus asks and costs a request nothing. */
export function addTunnelMetrics(registers: Registry[], { tunnels, running }: TunnelMetricSources): void {
  const labelled = (): readonly (readonly [label: string, tunnel: RunningTunnel])[] =>
    [...running()].map((tunnel, place) => [place < LABELLED_MAX ? tunnel.live.tunnel.id : REST, tunnel])
  void new Counter({
    name: 'holdfast_tunnel_requests_total',
    help: 'Requests through tunnels by the class of the status that the client got; none when it got nothing.',
    labelNames: ['tunnel', 'status'],
    registers,
    collect() {
      this.reset()
      for (const [tunnel, { counters }] of labelled()) {
        for (const [status, count] of Object.entries(counters.requests)) this.inc({ tunnel, status }, count)
      }
    },
  })
  const counter = (name: string, help: string, read: (tunnel: RunningTunnel) => number): void => {
    void new Counter({
      name: `holdfast_tunnel_${name}_total`,
      help,
      labelNames: ['tunnel'],
      registers,
      collect() {
        this.reset()
        for (const [label, tunnel] of labelled()) this.inc({ tunnel: label }, read(tunnel))
      },
    })
  }
  counter('attempts', 'Requests that were sent to endpoints or were to be.', ({ counters }) => counters.attempts)
  counter('retries', 'Attempts after one that failed.', ({ counters }) => counters.retries)
  counter('hedges', 'Requests that were sent to a second endpoint beside the first.', ({ counters }) => counters.hedges)
  counter('resumptions', 'Answers that were gone on with elsewhere.', ({ counters }) => counters.resumptions)
  counter('cut', 'Answers that broke off, with the client’s connection.', ({ counters }) => counters.cut)
  addTunnelGauges(registers, { tunnels, running })
}

function addTunnelGauges(registers: Registry[], { tunnels, running }: TunnelMetricSources): void {
  void new Gauge({
    name: 'holdfast_tunnels',
    help: 'Tunnels by their status.',
    labelNames: ['status'],
    registers,
    collect() {
      this.reset()
      for (const live of tunnels().all()) this.inc({ status: live.status })
    },
  })
  void new Gauge({
    name: 'holdfast_tunnel_endpoints',
    help: 'Endpoints of all tunnels by their health.',
    labelNames: ['health'],
    registers,
    collect() {
      this.reset()
      for (const live of tunnels().all()) {
        for (const { health } of live.snapshot().endpoints) this.inc({ health })
      }
    },
  })
  void new Gauge({
    name: 'holdfast_tunnel_requests_in_flight',
    help: 'Requests through tunnels that are under way, switched connections included.',
    registers,
    collect() {
      this.set([...running()].reduce((sum, { inFlight }) => sum + inFlight, 0))
    },
  })
}
