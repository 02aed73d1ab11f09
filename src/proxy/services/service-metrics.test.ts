import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { Registry } from 'prom-client'
import { addServiceMetrics } from './service-metrics.ts'

test('docs/PROXY.md lists every metric of services, and no other', async () => {
  const registry = new Registry()
  addServiceMetrics([registry], () => [])
  const text = await registry.metrics()
  const measured = [...text.matchAll(/^# TYPE (\w+) (\w+)$/gm)].map(([, name, type]) => `${name} ${type}`)
  assert.ok(measured.length > 5, 'the registry is empty')
  const page = await readFile(new URL('../../../docs/PROXY.md', import.meta.url), 'utf8')
  const described = [...page.matchAll(/^\| `(holdfast_\w+)` +\| (\w+)/gm)].map(([, name, type]) => `${name} ${type}`)
  assert.deepEqual(described.toSorted(), measured.toSorted())
})
