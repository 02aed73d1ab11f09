import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { apiServer } from './api-server.fixture.ts'
import { FAILOVER_URLS_MAX } from './stream-request.ts'

const URL_OK = 'http://primary.example/live/stream.ts'

interface Issue {
  readonly loc: readonly (string | number)[]
  readonly msg: string
  readonly type: string
}

async function post(payload: unknown) {
  const { server, streams } = await apiServer()
  const answer = await server.app.inject({
    method: 'POST',
    url: '/streams',
    headers: { 'content-type': 'application/json' },
    payload: typeof payload === 'string' ? payload : JSON.stringify(payload),
  })
  return { answer, streams, server }
}

async function issuesOf(payload: unknown): Promise<readonly Issue[]> {
  const { answer } = await post(payload)
  assert.equal(answer.statusCode, 422, answer.body)
  return answer.json<{ detail: readonly Issue[] }>().detail
}

test('a body without a url says so as FastAPI does', async () => {
  assert.deepEqual(await issuesOf({}), [{ loc: ['body', 'url'], msg: 'Field required', type: 'missing' }])
  for (const empty of ['', 'null']) {
    assert.deepEqual(await issuesOf(empty), [{ loc: ['body'], msg: 'Field required', type: 'missing' }])
  }
})

test('malformed JSON is 422 json_invalid', async () => {
  for (const text of [
    '{',
    '{"url":',
    'nonsense',
    '{"url":"http://a/b"}}',
    '{"__proto__":{"a":1},"url":"http://a/b"}',
  ]) {
    assert.deepEqual(
      (await issuesOf(text)).map(({ loc, type }) => ({ loc, type })),
      [{ loc: ['body'], type: 'json_invalid' }],
      text,
    )
  }
})

test('a body of another type than an object is 422', async () => {
  for (const text of ['[]', '"text"', '1', 'true']) assert.equal((await issuesOf(text)).length, 1, text)
})

test('a url that is not plain http or https is refused', async () => {
  const bad = [
    '',
    'primary.example/stream.ts',
    'ftp://primary.example/a',
    'file:///etc/passwd',
    'javascript:alert(1)',
    'data:text/html,<script>',
    '//primary.example/a',
    'http://',
    'http:primary.example',
    ' http://primary.example/a',
    'http://primary.example/a ',
    'http://primary.example/a\r\nX-Injected: 1',
    'http://primary.example/\u0000',
    'http://[::1/a',
    'http://primary.example:99999/',
    42,
    null,
  ]
  for (const url of bad) {
    const [issue] = await issuesOf({ url })
    assert.deepEqual(issue?.loc, ['body', 'url'], JSON.stringify(url))
  }
})

test('a url of 10 kB is refused with the limit, one of 8,192 characters is taken', async () => {
  const long = (characters: number) => `${URL_OK}?${'x'.repeat(characters - URL_OK.length - 1)}`
  assert.match((await issuesOf({ url: long(10_000) }))[0]?.msg ?? '', /at most 8192 characters/)
  assert.equal((await post({ url: long(8192) })).answer.statusCode, 200)
})

test('a thousand failover URLs are refused with the limit, a hundred are taken', async () => {
  const urls = (count: number) => Array.from({ length: count }, (_, index) => `http://backup${index}.example/a.ts`)
  const [issue] = await issuesOf({ url: URL_OK, failover_urls: urls(1000) })
  assert.deepEqual([issue?.loc, issue?.type], [['body', 'failover_urls'], 'too_long'])
  assert.match(issue?.msg ?? '', /at most 100 URLs/)
  assert.equal((await post({ url: URL_OK, failover_urls: urls(FAILOVER_URLS_MAX) })).answer.statusCode, 200)
})

test('the wrong one of several failover URLs is named by its position', async () => {
  const [issue] = await issuesOf({ url: URL_OK, failover_urls: [URL_OK, 'nope', URL_OK] })
  assert.deepEqual(issue?.loc, ['body', 'failover_urls', 1])
})

test('headers that could change what is sent to a source are refused', async () => {
  const bad: readonly (readonly [string, unknown])[] = [
    ['X-A', 'a\r\nX-Injected: 1'],
    ['X-A', 'a\nb'],
    ['X-A', '\u0000'],
    ['X-A', 'snowman \u2603'],
    ['X-A', 'x'.repeat(5000)],
    ['X-A', 1],
    ['X A', 'a'],
    ['X:A', 'a'],
    ['X-A\r\nB', 'a'],
    ['', 'a'],
    ['Host', 'elsewhere'],
    ['content-length', '5'],
    ['Transfer-Encoding', 'chunked'],
    ['Connection', 'upgrade'],
  ]
  for (const [name, value] of bad) {
    const [issue] = await issuesOf({ url: URL_OK, headers: { [name]: value } })
    assert.deepEqual(issue?.loc, ['body', 'headers', name], `${name}: ${String(value)}`)
  }
  const { answer } = await post({ url: URL_OK, headers: { Referer: 'http://a.example/', 'X-Token': 'ünïcode' } })
  assert.equal(answer.statusCode, 200)
})

test('a user agent with a line break is refused', async () => {
  const [issue] = await issuesOf({ url: URL_OK, user_agent: 'a\r\nX-Injected: 1' })
  assert.deepEqual(issue?.loc, ['body', 'user_agent'])
})

test('metadata scalars become text, anything else is refused', async () => {
  const { answer, streams } = await post({ url: URL_OK, metadata: { id: 5, hd: true, name: 'A', rate: 2.5 } })
  assert.equal(answer.statusCode, 200)
  assert.deepEqual(streams.list()[0]?.request.metadata, { id: '5', hd: 'True', name: 'A', rate: '2.5' })
  const many = Object.fromEntries(Array.from({ length: 65 }, (_, index) => [`k${index}`, 1]))
  for (const metadata of [{ a: {} }, { a: [] }, { a: null }, many, { a: 'x'.repeat(1025) }, [], 'text']) {
    const [issue] = await issuesOf({ url: URL_OK, metadata })
    assert.deepEqual(issue?.loc.slice(0, 2), ['body', 'metadata'], JSON.stringify(metadata).slice(0, 80))
  }
})

test('null counts as not given, and unknown fields are ignored', async () => {
  const { answer, streams } = await post({
    url: URL_OK,
    failover_urls: null,
    failover_resolver_url: null,
    user_agent: null,
    metadata: null,
    headers: null,
    strict_live_ts: null,
    silence_duration: null,
    bogus: { deep: [1] },
  })
  assert.equal(answer.statusCode, 200)
  assert.deepEqual(streams.list()[0]?.request, {
    url: URL_OK,
    failoverUrls: [],
    headers: {},
    metadata: {},
    strictLiveTs: false,
    useStickySession: false,
    keepOpen: false,
    seamless: true,
    silence: {},
    sources: [{ url: URL_OK, priority: 0, weight: 1, headers: {} }],
    standby: 'cold',
    failback: { kind: 'off', probationMs: 30_000, holdDownMs: 60_000 },
    slate: { isOn: true, afterMs: 3_000 },
    outputDelayMs: 0,
    capture: false,
  })
})

test('sources are ranked by priority, then region, then weight, and name the stream where url does not', async () => {
  const source = (name: string, more: object = {}) => ({ url: `http://${name}.example/1.ts`, ...more })
  const { answer, streams } = await post({
    failover_urls: ['http://plain.example/1.ts'],
    sources: [
      source('a', { priority: -1 }),
      source('b', { priority: 5, weight: 2, headers: { 'X-Key': 'b' }, user_agent: 'B/1', region: 'eu' }),
      source('c', { priority: 5, weight: 3, account: 'provider', max_connections: 2 }),
      source('d', { priority: 5, weight: 0 }),
    ],
  })
  assert.equal(answer.statusCode, 200, answer.body)
  const [stream] = streams.list()
  assert.equal(stream?.request.url, 'http://a.example/1.ts')
  assert.deepEqual(
    stream?.request.sources.map(({ url }) => new URL(url).hostname.split('.')[0]),
    ['c', 'b', 'd', 'plain', 'a'],
  )
  assert.deepEqual(stream?.request.sources[0]?.account, { name: 'provider', connectionsMax: 2 })
  assert.equal(stream?.request.failoverUrls.length, 4)
  assert.ok(!stream?.request.failoverUrls.includes('http://a.example/1.ts'))
})

test('sources that cannot be are refused by name and place', async () => {
  const url = 'http://a.example/1.ts'
  const bad: readonly (readonly [object, string])[] = [
    [{ sources: [{ priority: 1 }] }, 'body.sources.0.url'],
    [{ sources: [{ url, priority: 1.5 }] }, 'body.sources.0.priority'],
    [{ sources: [{ url, weight: -1 }] }, 'body.sources.0.weight'],
    [{ sources: [{ url, max_connections: 1 }] }, 'body.sources.0.max_connections'],
    [
      {
        sources: [
          { url, account: 'p', max_connections: 2 },
          { url, account: 'p' },
        ],
      },
      'body.sources.1.max_connections',
    ],
    [{ url, standby: 'lukewarm' }, 'body.standby'],
    [{ url, failback: 'sometimes' }, 'body.failback'],
    [{ url, failback: { mode: 'auto', probation_seconds: -1 } }, 'body.failback.probation_seconds'],
    [{ url, slate: { after_seconds: -1 } }, 'body.slate.after_seconds'],
    [{ url, output_delay_ms: 10_001 }, 'body.output_delay_ms'],
    [{ url, detect: { nonsense: 'fail' } }, 'body.detect'],
    [{ url, detect: { looping: 'perhaps' } }, 'body.detect.looping'],
    [{ url, drill: { mode: 'switch', at: '03:30', target: 1 } }, 'body.drill.target'],
    [{ url, drill: { mode: 'switch', at: '03:30', target: 'http://b.example/1.ts' } }, 'body.drill.target'],
  ]
  for (const [body, place] of bad) {
    const [issue] = await issuesOf(body)
    assert.equal(issue?.loc.join('.'), place, JSON.stringify(issue))
  }
})

test('slate and failback may be short or long', async () => {
  const { streams } = await post({
    url: URL_OK,
    failback: { mode: 'auto', probation_seconds: 5 },
    slate: { text: 'Back soon', after_seconds: 1 },
  })
  const request = streams.list()[0]?.request
  assert.deepEqual(request?.failback, { kind: 'auto', probationMs: 5_000, holdDownMs: 60_000 })
  assert.deepEqual(request?.slate, { isOn: true, afterMs: 1_000, text: 'Back soon' })
  const { streams: others } = await post({ url: URL_OK, failback: 'manual', slate: false })
  assert.equal(others.list()[0]?.request.failback.kind, 'manual')
  assert.equal(others.list()[0]?.request.slate.isOn, false)
})

test('detect says what to do about conditions, is checked, and is echoed', async () => {
  const detect = { no_audio: 'warn', looping: 'off' }
  const { answer, streams, server } = await post({ url: URL_OK, detect })
  assert.equal(answer.statusCode, 200, answer.body)
  assert.deepEqual(streams.list()[0]?.request.detect, detect)
  const { stream_id: streamId } = answer.json<{ stream_id: string }>()
  const echoed = await server.app.inject({ url: `/streams/${streamId}` })
  assert.deepEqual(echoed.json<{ stream: { detect: unknown } }>().stream.detect, detect)
  for (const wrong of [{ no_picture: 'fail' }, { no_audio: 'explode' }, 'fail', ['no_audio']]) {
    const [issue] = await issuesOf({ url: URL_OK, detect: wrong })
    assert.equal(issue?.loc[1], 'detect')
  }
})

test('repeated failover URLs stay where they are, so that indices mean what the request says', async () => {
  const urls = ['http://b.example/a.ts', URL_OK, 'http://b.example/a.ts']
  const { streams } = await post({ url: URL_OK, failover_urls: urls })
  assert.deepEqual(streams.list()[0]?.request.failoverUrls, urls)
})

test('JSON under another type is refused, as a form on a web page would send it; without a type it is taken', async () => {
  const { server } = await apiServer()
  const payload = JSON.stringify({ url: URL_OK })
  for (const [type, status] of [
    ['text/plain', 422],
    ['application/x-www-form-urlencoded', 422],
    ['application/json; charset=utf-8', 200],
    ['application/merge-patch+json', 200],
    ['', 200],
  ] as const) {
    const headers = type === '' ? {} : { 'content-type': type }
    const answer = await server.app.inject({ method: 'POST', url: '/streams', payload, headers })
    assert.equal(answer.statusCode, status, type)
  }
})

test('a body over the limit is 413', async () => {
  const { answer } = await post({ url: URL_OK, padding: 'x'.repeat(1_100_000) })
  assert.equal(answer.statusCode, 413)
  assert.equal(typeof answer.json<{ detail: string }>().detail, 'string')
})

test('no body ever makes the server fail', async () => {
  const { server } = await apiServer()
  const seed = 20_260_101
  const field = fc.constantFrom(
    'url',
    'failover_urls',
    'failover_resolver_url',
    'user_agent',
    'metadata',
    'headers',
    'strict_live_ts',
    'silence_duration',
    'target',
    '__proto__',
    'constructor',
  )
  const value = fc.oneof(fc.jsonValue(), fc.constant(URL_OK), fc.array(fc.constant(URL_OK)), fc.webUrl())
  const body = fc.oneof(
    fc.json(),
    fc.string(),
    fc.array(fc.tuple(field, value)).map((entries) => JSON.stringify(Object.fromEntries(entries))),
  )
  const path = fc.constantFrom('/streams', '/streams/x/failover', '/test-connection', '/transcode', '/nothing')
  const type = fc.constantFrom('application/json', 'text/plain', 'application/x-www-form-urlencoded', undefined)
  await fc.assert(
    fc.asyncProperty(path, type, body, async (url, contentType, payload) => {
      const headers = contentType === undefined ? {} : { 'content-type': contentType }
      const answer = await server.app.inject({ method: 'POST', url, payload, headers })
      const isExpected = answer.statusCode < 500 || (url === '/transcode' && answer.statusCode === 501)
      assert.ok(isExpected, `${url} ${contentType} ${payload} gave ${answer.statusCode} ${answer.body}`)
    }),
    { seed, numRuns: 400 },
  )
})
