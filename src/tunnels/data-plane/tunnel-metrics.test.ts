import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { Registry } from 'prom-client'
import { TunnelLab } from '../tunnel-lab.fixture.ts'
import { addTunnelMetrics } from './tunnel-metrics.ts'
import type { TunnelMetricSources } from './tunnel-metrics.ts'

async function rendered(sources: TunnelMetricSources): Promise<string> {
  const registry = new Registry()
  addTunnelMetrics([registry], sources)
  return registry.metrics()
}

test('docs/TUNNELS.md lists every metric of tunnels, and no other', async () => {
  const text = await rendered({ tunnels: () => ({ all: () => [] }), running: () => [] })
  const measured = [...text.matchAll(/^# TYPE (\w+) (\w+)$/gm)].map(([, name, type]) => `${name} ${type}`)
  const page = await readFile(new URL('../../../docs/TUNNELS.md', import.meta.url), 'utf8')
  const described = [...page.matchAll(/^\| `(holdfast_\w+)` +\| (\w+)/gm)].map(([, name, type]) => `${name} ${type}`)
  assert.deepEqual(described.toSorted(), measured.toSorted())
})

test('tunnels are counted by status and endpoints by health', async () => {
  await using lab = await TunnelLab.open()
  await lab.tunnel(3)
  const text = await rendered({ tunnels: () => lab.service, running: () => [] })
  assert.match(text, /^holdfast_tunnels\{status="created"\} 1$/m)
  assert.match(text, /^holdfast_tunnel_endpoints\{health="unknown"\} 3$/m)
})
