import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { eventRoutes } from '../../events/api.ts'
import type { LiveEvents } from '../../events/live.ts'
import type { Webhooks } from '../../events/webhooks.ts'
import { createMetrics, metricsRoutes } from '../../http/metrics.ts'
import { apiServer } from './api-server.fixture.ts'
import { drillRoutes } from './drill-routes.ts'
import { fakeStreamService } from './fake-stream-service.fixture.ts'
import { switchRoutes } from './switch-routes.ts'
import { streamRequestBody } from './stream-request.ts'

const page = await readFile(new URL('../../../docs/API.md', import.meta.url), 'utf8')

const metrics = createMetrics({
  sources: {
    streams: () => 0,
    streamsActive: () => 0,
    viewers: () => 0,
    upstreamConnections: () => 0,
    bytesSent: () => 0,
    bytesReceived: () => 0,
  },
  version: '1',
  includeProcess: false,
})

/** Listed here, never called. */
const events = eventRoutes({
  journal: { history: async () => [] },
  webhooks: {} as unknown as Webhooks,
  live: {} as unknown as LiveEvents,
})

const streams = fakeStreamService()
const switches = switchRoutes({
  streams,
  switches: { history: async () => ({ receipts: [], nextBefore: undefined }) },
  captures: { find: () => undefined },
})
const drills = drillRoutes({
  streams,
  drills: { run: () => Promise.reject(new Error('never called')), last: async () => undefined },
})

test('docs/API.md lists every route, and no other', async () => {
  const { server } = await apiServer({ groups: [metricsRoutes(metrics), events, switches, drills] })
  const registered = server.routes
    .filter(({ pattern }) => !/^\/(?:docs|redoc|openapi\.json|favicon\.ico)/.test(pattern))
    .map(({ method, pattern }) => `${method} ${pattern.replaceAll(/:(\w+)/g, '{$1}')}`)
  const described = [...page.matchAll(/^\| `([A-Z]+ \/[^`]*)`/gm)].map((match) => match[1] ?? '')
  assert.ok(registered.length > 30, 'the server has no routes')
  assert.deepEqual(described.toSorted(), [...new Set(registered)].toSorted())
})

test('docs/API.md lists every metric of ours, and no other', async () => {
  const text = await metrics.render()
  const measured = [...text.matchAll(/^# TYPE (\w+) (\w+)$/gm)].map(([, name, type]) => `${name} ${type}`)
  const described = [...page.matchAll(/^\| `(holdfast_\w+)` +\| (\w+)/gm)].map(([, name, type]) => `${name} ${type}`)
  assert.ok(measured.length > 5, 'the registry is empty')
  assert.deepEqual(described.toSorted(), measured.toSorted())
})

test('every route of the OpenAPI document has a summary and its answers', async () => {
  const { server } = await apiServer()
  const document = (await server.app.inject({ url: '/openapi.json' })).json<{
    paths: Record<string, Record<string, { summary?: string; responses?: Record<string, unknown> }>>
  }>()
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ name: `${method} ${path}`, operation })),
  )
  assert.ok(operations.length > 20)
  for (const { name, operation } of operations) {
    assert.ok((operation.summary ?? '') !== '', `${name} has no summary`)
    assert.ok(Object.keys(operation.responses ?? {}).length > 0, `${name} has no answers`)
  }
})

test('docs/API.md describes every field that POST /streams takes, and no other', () => {
  const section = /### What a stream can be asked for\n(.*?)\n## /s.exec(page)?.[1] ?? ''
  const described = section
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .flatMap((line) => [...(line.split('|')[1] ?? '').matchAll(/`(\w+)`/g)].map((match) => match[1] ?? ''))
  assert.deepEqual(described.toSorted(), Object.keys(streamRequestBody.shape).toSorted())
})
