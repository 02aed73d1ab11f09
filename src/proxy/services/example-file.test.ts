import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { readServiceFile } from './service-file.ts'
import { serviceBody } from './service-definition.ts'

const pathOf = (path: string) => fileURLToPath(new URL(`../../../${path}`, import.meta.url))

test('the example is a good file', async () => {
  const services = await readServiceFile(pathOf('examples/holdfast.yaml'), '127.0.0.1')
  assert.deepEqual(
    services.map(({ id, strategy }) => [id, strategy.kind]),
    [
      ['shop', 'active_active'],
      ['api', 'active_passive'],
      ['live', 'geographic'],
    ],
  )
})

test('docs/PROXY.md names every field of a service with its default', async () => {
  const page = await readFile(pathOf('docs/PROXY.md'), 'utf8')
  const { endpoints: _, ...complete } = serviceBody.parse({ routes: [{}], endpoints: [] })
  for (const [name, value] of Object.entries(complete)) {
    assert.match(page, new RegExp(`^\\| \`${name}[\`.]`, 'm'), `${name} is not described`)
    if (typeof value === 'object' && !Array.isArray(value) && name !== 'strategy' && name !== 'healthCheck') {
      for (const [part, initial] of Object.entries(value as Readonly<Record<string, unknown>>)) {
        const shown = Array.isArray(initial) ? initial.join(', ') : String(initial)
        const row = page.split('\n').find((line) => line.startsWith(`| \`${name}.${part}\``))
        assert.ok(row !== undefined, `${name}.${part} is not described`)
        assert.ok(row.includes(shown), `the default ${shown} is not in ${row}`)
      }
    }
  }
})
