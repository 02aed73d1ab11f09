import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { endWithThisProcess } from '../lab/gateway-process.ts'
import { tsFixture } from '../lab/media.ts'
import { until } from '../lab/poll.ts'

const MAIN = join(import.meta.dirname, '../../src/main.ts')

test('a report that nobody reads any more is no crash', async () => {
  const path = await tsFixture({ programme: 'alpha' })
  const child = spawn(process.execPath, [MAIN, 'check', '--json', path], { stdio: ['ignore', 'pipe', 'pipe'] })
  endWithThisProcess(child)
  child.stdout.destroy()
  let said = ''
  child.stderr.on('data', (bytes: Buffer) => (said += bytes.toString()))
  await once(child, 'close')
  assert.deepEqual([said, child.signalCode], ['', null])
})

test('a gateway whose log nobody reads any more goes on serving', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-lab-data-'))
  const url = `http://127.0.0.1:${await freePort()}`
  const child = spawn(process.execPath, [MAIN, 'serve'], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...{ PATH: process.env['PATH'] ?? '', HOST: '127.0.0.1', PORT: new URL(url).port, HOLDFAST_DATA_DIR: directory },
    },
  })
  endWithThisProcess(child)
  try {
    child.stdout.destroy()
    child.stderr.destroy()
    const answers = async () => (await fetch(`${url}/health`).catch(() => undefined))?.status === 200
    await until(answers, { what: 'the gateway answering', deadlineMs: 20_000 })
    // A drill of a stream that rests is refused, and the log says so.
    const body = JSON.stringify({ url: 'http://127.0.0.1:9/live.ts', failover_urls: ['http://127.0.0.1:9/other.ts'] })
    const headers = { 'content-type': 'application/json' }
    const created = await fetch(`${url}/streams`, { method: 'POST', headers, body })
    const { stream_id: streamId } = (await created.json()) as { stream_id: string }
    for (let drill = 0; drill < 3; drill += 1) {
      const { status } = await fetch(`${url}/streams/${streamId}/drill`, {
        method: 'POST',
        headers,
        body: '{"mode":"switch"}',
      })
      assert.equal(status, 409)
    }
    assert.equal(child.exitCode, null)
  } finally {
    child.kill('SIGKILL')
    await rm(directory, { recursive: true, force: true })
  }
})

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
