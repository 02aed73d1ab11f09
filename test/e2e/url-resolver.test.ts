import assert from 'node:assert/strict'
import { once } from 'node:events'
import { chmodSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { test } from 'node:test'
import { systemClock } from '../../src/lib/clock.ts'
import { HoldfastError } from '../../src/lib/errors.ts'
import { openHttpSource } from '../../src/streams/sources/http-client.ts'
import { parseResolverArguments } from '../../src/streams/sources/resolver-arguments.ts'
import type { ResolverName } from '../../src/streams/sources/resolver-arguments.ts'
import { createResolvingTransport } from '../../src/streams/sources/resolving-transport.ts'
import { UrlResolver } from '../../src/streams/sources/url-resolver.ts'
import type { ResolvedUrl, ResolveRequest, UrlResolverOptions } from '../../src/streams/sources/url-resolver.ts'
import { until } from '../lab/poll.ts'
import { openProcessRoom } from '../lab/process-room.ts'
import type { ProcessRoom } from '../lab/process-room.ts'
import { SourceReading } from '../lab/source-reading.ts'

const PLAYLIST = '#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\na.ts\n'

interface Page extends AsyncDisposable {
  readonly url: string
  readonly asked: { path: string | undefined; cookie: string | undefined; referer: string | undefined }[]
}

async function startPage(): Promise<Page> {
  const asked: { path: string | undefined; cookie: string | undefined; referer: string | undefined }[] = []
  const server = createServer((request, response) => {
    asked.push({ path: request.url, cookie: request.headers.cookie, referer: request.headers.referer })
    response.setHeader('content-type', 'application/vnd.apple.mpegurl')
    response.end(PLAYLIST)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  return {
    asked,
    url: `http://127.0.0.1:${address.port}/page/live.m3u8`,
    [Symbol.asyncDispose]: async () => {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}

function resolverIn(room: ProcessRoom, options: Partial<UrlResolverOptions> = {}): UrlResolver {
  return new UrlResolver({
    ...{ processes: room.processes, clock: systemClock, directory: join(room.directory, 'resolver') },
    ...{ isEnabled: { streamlink: true, ytdlp: true }, timeoutMs: 120_000, runsMax: 2, ...options },
  })
}

function ask(resolver: ResolverName, url: string, more: Partial<ResolveRequest> = {}): ResolveRequest {
  const given = parseResolverArguments(resolver, '')
  const signal = new AbortController().signal
  return { ...{ resolver, url, arguments: given, userAgent: "lab's agent", headers: {}, signal }, ...more }
}

/** A program on the PATH in place of the real one, for as long as `body` runs. */
async function withFake(room: ProcessRoom, name: string, script: string, body: () => Promise<void>): Promise<void> {
  const directory = join(room.directory, 'bin')
  mkdirSync(directory, { recursive: true })
  writeFileSync(join(directory, name), `#!${process.execPath}\n${script}`)
  chmodSync(join(directory, name), 0o755)
  const before = process.env['PATH']
  process.env['PATH'] = `${directory}:${before}`
  try {
    await body()
  } finally {
    process.env['PATH'] = before
  }
}

const PROGRAMS = { streamlink: 'streamlink', ytdlp: 'yt-dlp' } as const

for (const name of ['streamlink', 'ytdlp'] as const) {
  test(`${name} finds a playlist, with the cookies and headers that it was given`, async (context) => {
    await using room = openProcessRoom()
    await using page = await startPage()
    if (!room.processes.isInstalled(PROGRAMS[name])) {
      context.skip('it is not installed')
      return
    }
    const cookies = '127.0.0.1\tFALSE\t/\tFALSE\t0\tsession\tsecret-value'
    const found = await resolverIn(room).resolve(ask(name, page.url, { cookies, headers: { Referer: "http://o'h/" } }))
    assert.ok('url' in found, JSON.stringify(found))
    assert.deepEqual([found.url, found.isHls], [page.url, true])
    assert.equal(found.headers['Referer'], "http://o'h/")
    assert.equal(found.headers['User-Agent'], "lab's agent")
    if (name === 'ytdlp') assert.deepEqual(page.asked[0]?.cookie, 'session=secret-value')
    else assert.match(found.headers['Cookie'] ?? '', /session=secret-value/)
    assert.deepEqual(readdirSync(join(room.directory, 'resolver')), [])
  })

  test(`${name} on a page without media is a failure of the source, in its words`, async (context) => {
    await using room = openProcessRoom()
    if (!room.processes.isInstalled(PROGRAMS[name])) {
      context.skip('it is not installed')
      return
    }
    const failure = await resolverIn(room).resolve(ask(name, 'http://127.0.0.1:9/nothing'))
    assert.ok('kind' in failure && failure.kind === 'process_failed', JSON.stringify(failure))
    assert.match(failure.message, /plugin|download/i)
  })
}

test('the version is what the program says, and that of a resolver that is off is not asked', async () => {
  await using room = openProcessRoom()
  await withFake(room, 'yt-dlp', `console.log('2026.01.01')`, async () => {
    assert.equal(await resolverIn(room).version('ytdlp'), '2026.01.01')
    const isEnabled = { streamlink: true, ytdlp: false }
    assert.equal(await resolverIn(room, { isEnabled }).version('ytdlp'), undefined)
  })
})

test('what a program answers is checked: no other scheme, no other shape, no flood', async () => {
  for (const [script, words] of [
    [`console.log(JSON.stringify({ url: 'file:///etc/passwd' }))`, /http or https/],
    [`console.log(JSON.stringify({ type: 'hls' }))`, /no single address/],
    [`console.log('http://h/plain')`, /http or https/],
    [`console.error('http://u:word@h/ is geo-blocked'); process.exitCode = 3`, /http:\/\/\*\*\*:\*\*\*@h/],
    [`process.stdout.write('x'.repeat(5e6)); setInterval(() => {}, 1000)`, /more than/],
  ] as const) {
    await using room = openProcessRoom()
    await withFake(room, 'streamlink', script, async () => {
      const failure = await resolverIn(room).resolve(ask('streamlink', 'http://h/'))
      assert.ok('kind' in failure, JSON.stringify(failure))
      assert.match(failure.message, words)
    })
  }
})

test('the page never becomes an option, and secrets are not among the arguments', async () => {
  await using room = openProcessRoom()
  const script = `console.log(JSON.stringify({ url: 'http://h/', headers: { 'X-Args': process.argv.slice(2).join(' '), Connection: 'x' } }))`
  await withFake(room, 'streamlink', script, async () => {
    const cookies = 'h\tFALSE\t/\tFALSE\t0\tsession\tsecret-value'
    const found = await resolverIn(room).resolve(ask('streamlink', 'http://h/--config', { cookies }))
    assert.ok('url' in found)
    assert.match(found.headers['X-Args'] ?? '', /--json -- http:\/\/h\/--config best$/)
    assert.ok(!JSON.stringify(found).includes('secret-value'))
    assert.equal(found.headers['Connection'], undefined)
  })
})

test('one that takes too long is ended; those that wait have their turn', async () => {
  await using room = openProcessRoom()
  const resolver = resolverIn(room, { timeoutMs: 300, runsMax: 1 })
  await withFake(room, 'streamlink', 'setInterval(() => {}, 1000)', async () => {
    const both = await Promise.all(
      ['http://a/', 'http://b/'].map(async (url) => resolver.resolve(ask('streamlink', url))),
    )
    for (const failure of both) assert.ok('kind' in failure && /took too long/.test(failure.message))
  })
  assert.equal(room.processes.running(), 0)
})

test('a header or cookie cannot become an option of its own', async () => {
  await using room = openProcessRoom()
  const script = `console.log(JSON.stringify({ url: 'http://h/', headers: { 'X-File': require('node:fs').readFileSync(process.argv[3], 'utf8') } }))`
  await withFake(room, 'streamlink', script, async () => {
    const headers = { Referer: 'http://r/', 'X-Bad': 'a\noutput=/tmp/x', 'X=Y': 'b' }
    const found = await resolverIn(room).resolve(ask('streamlink', 'http://h/', { headers }))
    assert.ok('url' in found)
    assert.equal(found.headers['X-File'], "http-header=User-Agent=lab's agent\nhttp-header=Referer=http://r/\n")
    const failure = await resolverIn(room).resolve(ask('ytdlp', 'http://h/', { cookies: '--exec id' }))
    assert.ok('kind' in failure && /cookie file/.test(failure.message))
  })
})

test('one that is off or not there is told before anything is run', async () => {
  await using room = openProcessRoom()
  const off = resolverIn(room, { isEnabled: { streamlink: false, ytdlp: true } })
  const isCode = (code: string, status: number) => (error: unknown) =>
    error instanceof HoldfastError && error.code === code && error.status === status
  assert.throws(() => off.requireAvailable('streamlink'), isCode('resolver_disabled', 400))
  const before = process.env['PATH']
  process.env['PATH'] = '/nowhere'
  assert.throws(() => off.requireAvailable('ytdlp'), isCode('resolver_unavailable', 503))
  process.env['PATH'] = before
})

test('a page is a source: what is found is read, and a close in between ends the search', async () => {
  await using room = openProcessRoom()
  await using page = await startPage()
  const resolver = resolverIn(room)
  const options = { resolver, name: 'streamlink', arguments: parseResolverArguments('streamlink', '') } as const
  const seen: ResolvedUrl[] = []
  const transport = createResolvingTransport({
    ...options,
    transportFor: (found) => {
      seen.push(found)
      return openHttpSource
    },
  })
  const script = `console.log(JSON.stringify({ url: '${page.url}?found', type: 'hls', headers: { Referer: 'http://r/' } }))`
  await withFake(room, 'streamlink', script, async () => {
    using reading = new SourceReading(transport, { url: page.url })
    assert.equal(await reading.end(), 'end')
    assert.equal(reading.body.toString(), PLAYLIST)
  })
  assert.deepEqual(
    [seen.length, page.asked.at(-1)?.path, page.asked.at(-1)?.referer],
    [1, '/page/live.m3u8?found', 'http://r/'],
  )
  await withFake(room, 'streamlink', 'setInterval(() => {}, 1000)', async () => {
    using reading = new SourceReading(transport, { url: page.url })
    await until(() => room.processes.running('resolver') === 1, { what: 'the search' })
    reading.reader.close()
    await until(() => room.processes.running() === 0, { what: 'the end of the search' })
    assert.deepEqual(reading.calls, [])
  })
})
