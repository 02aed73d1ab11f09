import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { FaultUpstream } from '../lab/fault-upstream.ts'
import { GatewayProcess } from '../lab/gateway-process.ts'
import { until } from '../lab/poll.ts'
import { ask, ServiceLoad } from '../lab/service-load.ts'

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url))

/** A directory with a configuration file, which goes with the object. */
class ConfigFile implements AsyncDisposable {
  readonly path: string
  readonly #directory: string

  private constructor(directory: string, name: string) {
    this.#directory = directory
    this.path = join(directory, name)
  }

  static async write(text: string, name = 'holdfast.yaml'): Promise<ConfigFile> {
    const file = new ConfigFile(await mkdtemp(join(tmpdir(), 'holdfast-lab-config-')), name)
    await file.replace(text)
    return file
  }

  /** As editors do: written beside it and renamed over it. */
  async replace(text: string): Promise<void> {
    await writeFile(`${this.path}.new`, text)
    await rename(`${this.path}.new`, this.path)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#directory, { recursive: true, force: true })
  }
}

function configOf(...services: readonly (readonly [id: string, host: string, ...upstreams: readonly string[]])[]) {
  const text = services.map(
    ([id, host, ...urls]) =>
      `  - id: ${id}\n    routes: [{ host: ${host} }]\n    endpoints: [${urls.map((url) => `{ url: "${url}" }`).join(', ')}]\n`,
  )
  return `services:\n${text.join('')}`
}

async function proxyUrlOf(gateway: GatewayProcess): Promise<string> {
  const [line] = await until(() => gateway.logged('proxy_listening').length > 0 && gateway.logged('proxy_listening'), {
    what: 'the proxy listening',
  })
  return `http://127.0.0.1:${String(line?.['port'])}/`
}

test('the file is read again when it changes, under load, and no request fails; a wrong one changes nothing', async () => {
  await using a = await FaultUpstream.start('a')
  await using b = await FaultUpstream.start('b')
  await using c = await FaultUpstream.start('c')
  await using file = await ConfigFile.write(configOf(['shop', 'shop.test', a.url]))
  await using gateway = await GatewayProcess.start({ env: { PROXY_PORT: '0', HOLDFAST_CONFIG: file.path } })
  const url = await proxyUrlOf(gateway)
  await using load = new ServiceLoad(url, 4, () => ({ host: 'shop.test' }))
  const answeredBy = () => load.answers.at(-1)?.headers['x-upstream']
  await until(() => answeredBy() === 'a', { what: 'answers of a' })
  for (const upstream of [b, c, a, b]) {
    await file.replace(configOf(['shop', 'shop.test', upstream.url], ['more', 'more.test', c.url]))
    await until(() => answeredBy() === upstream.name, { what: `answers of ${upstream.name}` })
  }
  assert.equal((await ask(url, { host: 'more.test' })).headers['x-upstream'], 'c')
  const loaded = gateway.logged('configuration_loaded').length
  await file.replace('services:\n  - id: shop\n    routes: []\n    endpoints: [{ url: "gopher://x", weight: -1 }]\n')
  const [rejected] = await until(
    () => gateway.logged('configuration_rejected').length > 0 && gateway.logged('configuration_rejected'),
    { what: 'the rejection' },
  )
  const problems = String(rejected?.['problems'])
  for (const pattern of [/line 4, .*endpoints\[0\]\.url/, /line 4, .*endpoints\[0\]\.weight/, /routes .*listeners/]) {
    assert.match(problems, pattern)
  }
  await file.replace(configOf(['shop', 'shop.test', c.url]))
  await until(() => gateway.logged('configuration_loaded').length > loaded, { what: 'the next good file' })
  await until(() => answeredBy() === 'c', { what: 'answers of c' })
  await load.stop()
  assert.deepEqual(load.failed, [], 'requests failed')
  assert.equal((await ask(url, { host: 'more.test' })).status, 404, 'what the file no longer has is gone')
})

test('SIGHUP reads the file again, and a service of the file is changed there only', async () => {
  await using a = await FaultUpstream.start('a')
  await using file = await ConfigFile.write(
    JSON.stringify({ services: [{ id: 'shop', routes: [{}], endpoints: [{ url: a.url }] }] }),
    'holdfast.json',
  )
  await using gateway = await GatewayProcess.start({ env: { PROXY_PORT: '0', HOLDFAST_CONFIG: file.path } })
  process.kill(gateway.pid, 'SIGHUP')
  await until(() => gateway.logged('configuration_loaded').length > 0, { what: 'the file read on SIGHUP' })
  for (const [method, path, body] of [
    ['PATCH', '/api/services/shop', { enabled: false }],
    ['DELETE', '/api/services/shop', undefined],
    ['PUT', '/api/services/shop', { routes: [{}], endpoints: [] }],
    ['POST', '/api/services/shop/disable', undefined],
  ] as const) {
    const answer = await gateway.api.call<{ code: string }>(method, path, body)
    assert.equal(answer.status, 409, answer.text)
    assert.equal(answer.body.code, 'service_read_only')
  }
  const pinned = await gateway.api.call('POST', '/api/services/shop/pin', { endpointId: new URL(a.url).host })
  assert.equal(pinned.status, 200, pinned.text)
})

test('a gateway whose file is wrong does not start, and says everything that is wrong with it', async () => {
  await using file = await ConfigFile.write('services:\n  - { id: A, endpoints: 3 }\n  - { id: b, endpoints: [] }\n')
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-lab-data-'))
  const env = { PATH: process.env['PATH'], PORT: '0', HOLDFAST_DATA_DIR: directory, HOLDFAST_CONFIG: file.path }
  const { code, text } = await new Promise<{ code: number | null; text: string }>((resolve) => {
    const child = execFile(process.execPath, [MAIN, 'serve'], { env, timeout: 60_000 }, (_error, _out, errors) => {
      resolve({ code: child.exitCode, text: errors })
    })
  })
  await rm(directory, { recursive: true, force: true })
  assert.equal(code, 2, text)
  assert.match(text, /line 2, services\[0\]\.id: must be lower-case/)
  assert.match(text, /line 2, services\[0\]\.endpoints: must be a list/)
  assert.match(text, /line 3, services\[1\]: needs at least one of routes/)
})
