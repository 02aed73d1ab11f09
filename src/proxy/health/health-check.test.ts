import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { RequestListener } from 'node:http'
import { createServer as createTcpServer } from 'node:net'
import type { AddressInfo, Server } from 'node:net'
import { test } from 'node:test'
import { systemClock } from '../../lib/clock.ts'
import { createCheck } from './health-check.ts'
import type { CheckOutcome, CheckRule } from './health-check.ts'
import { createPlaylistCheck } from './playlist-check.ts'

const rule = {
  kind: 'http',
  path: '/health',
  method: 'GET',
  timeoutMs: 30_000,
  statuses: [200],
} as const satisfies CheckRule
const never = new AbortController().signal

async function onServer<Result>(server: Server, use: (url: URL) => Promise<Result>): Promise<Result> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    return await use(new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/base/`))
  } finally {
    server.close()
  }
}

async function look(answer: RequestListener, more: Partial<typeof rule> & { bodyIncludes?: string } = {}) {
  const server = createServer(answer)
  return onServer(server, async (url) => {
    const outcome = await createCheck({ url }, { ...rule, ...more }, systemClock)(never)
    server.closeAllConnections()
    return outcome
  })
}

test('a good answer is one of the statuses, with the text in its body', async () => {
  let asked = ''
  const answer: RequestListener = (request, response) => {
    asked = `${request.method} ${request.url} ${request.headers.connection}`
    response.end('status: ok')
  }
  assert.deepEqual(await look(answer), { kind: 'good' })
  assert.equal(asked, 'GET /base/health close')
  assert.deepEqual(await look(answer, { bodyIncludes: 'ok' }), { kind: 'good' })
  assert.deepEqual(await look(answer, { bodyIncludes: 'fine' }), { kind: 'bad', reason: 'body_mismatch', status: 200 })
})

test('another status is bad, and so is an answer that is none', async () => {
  assert.deepEqual(await look((_, response) => response.writeHead(503).end()), {
    ...{ kind: 'bad', reason: 'http_status', status: 503 },
  })
  assert.deepEqual(await look((request) => request.socket.destroy()), { kind: 'bad', reason: 'reset' })
})

test('an answer that does not come in time is bad, and a body without end is not waited for', async () => {
  assert.deepEqual(await look(() => undefined, { timeoutMs: 50 as never }), { kind: 'bad', reason: 'timeout' })
  assert.deepEqual(await look((_, response) => void response.write('x')), { kind: 'good' })
})

test('a connection is enough for a TCP check, and none is not', async () => {
  const tcp: CheckRule = { kind: 'tcp', timeoutMs: 30_000 }
  let closedUrl: URL | undefined
  const outcome = await onServer(createTcpServer(), async (url): Promise<CheckOutcome> => {
    closedUrl = url
    return createCheck({ url }, tcp, systemClock)(never)
  })
  assert.deepEqual(outcome, { kind: 'good' })
  assert.ok(closedUrl !== undefined)
  assert.deepEqual(await createCheck({ url: closedUrl }, tcp, systemClock)(never), { kind: 'bad', reason: 'refused' })
})

test('a playlist that answers and stands still is bad for certain', async () => {
  let nowMs = 0
  const clock = { ...systemClock, nowMs: () => nowMs }
  let sequence = 1
  const server = createServer((_, response) => {
    response.end(`#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:${sequence}\n#EXTINF:2,\n${sequence}.ts\n`)
  })
  await onServer(server, async (url) => {
    const check = createPlaylistCheck({ url }, { path: '/live.m3u8', targetDurations: 3, timeoutMs: 30_000 }, clock)
    assert.deepEqual(await check(never), { kind: 'good' })
    nowMs = 5_999
    assert.deepEqual(await check(never), { kind: 'good' })
    nowMs = 6_000
    assert.deepEqual(await check(never), { kind: 'bad', reason: 'playlist_frozen', status: 200, isCertain: true })
    sequence += 1
    assert.deepEqual(await check(never), { kind: 'good' })
  })
})
