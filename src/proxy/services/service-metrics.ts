import { Counter, Gauge } from 'prom-client'
import type { Registry } from 'prom-client'
import type { LiveService } from './live-service.ts'

const HEALTH_VALUES = { healthy: 1, unknown: 0.5, unhealthy: 0 } as const

/** Adds what services do to the metrics; it is read when Prometheus asks and costs a request nothing. */
export function addServiceMetrics(registers: Registry[], services: () => readonly LiveService[]): void {
  void new Counter({
    name: 'holdfast_service_requests_total',
    help: 'Requests of services by the class of the status that the client got; none when it got nothing.',
    labelNames: ['service', 'status'],
    registers,
    collect() {
      this.reset()
      for (const { id, counters } of services()) {
        for (const [status, count] of Object.entries(counters.requests)) this.inc({ service: id, status }, count)
      }
    },
  })
  const counter = (name: string, help: string, read: (service: LiveService) => number): void => {
    void new Counter({
      name: `holdfast_service_${name}_total`,
      help,
      labelNames: ['service'],
      registers,
      collect() {
        this.reset()
        for (const service of services()) this.inc({ service: service.id }, read(service))
      },
    })
  }
  counter('attempts', 'Requests that were sent to endpoints or were to be.', ({ counters }) => counters.attempts)
  counter('retries', 'Attempts after one that failed.', ({ counters }) => counters.retries)
  counter('hedges', 'Requests that were sent to a second endpoint beside the first.', ({ counters }) => counters.hedges)
  counter('resumptions', 'Answers that were gone on with elsewhere.', ({ counters }) => counters.resumptions)
  counter('ejections', 'Endpoints that became unhealthy.', ({ counters }) => counters.ejections)
  counter('cut', 'Answers that broke off, with the client’s connection.', ({ counters }) => counters.cut)
  addEndpointMetrics(registers, services)
}

function addEndpointMetrics(registers: Registry[], services: () => readonly LiveService[]): void {
  void new Gauge({
    name: 'holdfast_service_requests_in_flight',
    help: 'Requests of services that are under way.',
    labelNames: ['service'],
    registers,
    collect() {
      this.reset()
      for (const service of services()) this.set({ service: service.id }, service.inFlight)
    },
  })
  void new Gauge({
    name: 'holdfast_service_endpoint_health',
    help: '1 healthy, 0.5 unknown, 0 unhealthy.',
    labelNames: ['service', 'endpoint'],
    registers,
    collect() {
      this.reset()
      for (const service of services()) {
        for (const { endpoint, health } of service.endpoints) {
          this.set({ service: service.id, endpoint: endpoint.id }, HEALTH_VALUES[health])
        }
      }
    },
  })
}
