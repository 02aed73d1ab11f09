import assert from 'node:assert/strict'
import { test } from 'node:test'
import { apiServer, TOKEN } from './api-server.fixture.ts'

const authorized = { authorization: `Bearer ${TOKEN}` }
const mode = { kind: 'token', token: TOKEN } as const

test('health is public but tells details to operators only', async () => {
  const { server } = await apiServer({ mode })
  const plain = await server.app.inject({ url: '/health' })
  assert.deepEqual([plain.statusCode, plain.json()], [200, { status: 'healthy' }])
  const full = (await server.app.inject({ url: '/health', headers: authorized })).json<Record<string, unknown>>()
  assert.equal(full['root_path'], '/m3u-proxy')
  assert.equal(full['active_streams'], 0)
  assert.equal(full['total_bytes_served'], 1000)
  assert.equal((await server.app.inject({ method: 'HEAD', url: '/health' })).statusCode, 200)
})

test('a gateway that is not well answers 503', async () => {
  const { server } = await apiServer({ mode, health: () => ({ isHealthy: false, problems: ['the store is full'] }) })
  const plain = await server.app.inject({ url: '/health' })
  assert.deepEqual([plain.statusCode, plain.json()], [503, { status: 'unhealthy' }])
  const full = await server.app.inject({ url: '/health', headers: authorized })
  assert.deepEqual(full.json<{ problems: unknown }>().problems, ['the store is full'])
})

test('info has the fields of the peer and no secret', async () => {
  const { server } = await apiServer({ mode })
  const answer = await server.app.inject({ url: '/info', headers: authorized })
  const info = answer.json<Record<string, Record<string, unknown>>>()
  assert.equal(info['configuration']?.['default_user_agent'], 'Default/1.0')
  const versions = [info['ffmpeg_version'], info['streamlink_version'], info['ytdlp_version']]
  assert.deepEqual(versions, ['ffmpeg version 5.1', 'streamlink 5.2.1', null])
  assert.equal(info['redis']?.['enabled'], false)
  assert.equal('password' in (info['redis'] ?? {}), false)
  assert.doesNotMatch(answer.body, new RegExp(TOKEN))
})

test('a connection test always answers 200 and says what came of it', async () => {
  const outcomes = [
    [
      { kind: 'answered', statusCode: 204 },
      { success: true, status_code: 204 },
    ],
    [
      { kind: 'answered', statusCode: 404 },
      { success: false, status_code: 404 },
    ],
    [
      { kind: 'timeout', afterMs: 5000 },
      { success: false, error: 'Connection timed out after 5 seconds' },
    ],
    [
      { kind: 'failed', message: 'refused' },
      { success: false, error: 'refused' },
    ],
  ] as const
  for (const [result, expected] of outcomes) {
    const { server } = await apiServer({ testConnection: async () => result })
    const payload = { url: 'http://target.example/' }
    const answer = await server.app.inject({ method: 'POST', url: '/test-connection', payload })
    assert.equal(answer.statusCode, 200)
    const { message, ...rest } = answer.json<Record<string, unknown>>()
    assert.equal(typeof message, 'string')
    assert.deepEqual(rest, { ...expected, url_tested: payload.url })
  }
})

test('a connection test never asks what is not http', async () => {
  const asked: string[] = []
  const testConnection = async (url: string) => {
    asked.push(url)
    return { kind: 'answered', statusCode: 200 } as const
  }
  const { server } = await apiServer({ testConnection })
  for (const url of ['file:///etc/passwd', 'nonsense', '']) {
    const answer = await server.app.inject({ method: 'POST', url: '/test-connection', payload: { url } })
    assert.equal(answer.json<{ success: boolean }>().success, false)
  }
  assert.deepEqual(asked, [])
})

test('the icon that browsers ask for is not an error', async () => {
  const { server } = await apiServer({ mode })
  assert.equal((await server.app.inject({ url: '/favicon.ico' })).statusCode, 204)
})
