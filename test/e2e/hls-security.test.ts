import assert from 'node:assert/strict'
import { request as httpRequest } from 'node:http'
import { after, before, describe, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { parseMediaPlaylist } from '../../src/hls/parse-playlist.ts'
import { FaultOrigin } from '../lab/fault-origin.ts'
import { GatewayProcess } from '../lab/gateway-process.ts'
import { loadTsMedia } from '../lab/hls-media.ts'
import { HlsOrigin } from '../lab/hls-origin.ts'
import { until } from '../lab/poll.ts'
import { ScriptedOrigin } from '../lab/scripted-origin.ts'
import type { Script } from '../lab/scripted-origin.ts'

/** No route fetches or reads what a client names, and no source gets the gateway to what the operator did not name. */

const TOKEN = 'lab-token-0123456789'
const media = await loadTsMedia({ programme: 'alpha', source: 'alpha', segmentMs: 800 })
const MEGABYTE = 1_048_576

let gateway: GatewayProcess
let origin: HlsOrigin
let streamId: string
let base: string
before(async () => {
  const env = { API_TOKEN: TOKEN, FIRST_BYTE_TIMEOUT_SECONDS: '3', STREAM_TOTAL_TIMEOUT: '3' }
  gateway = await GatewayProcess.start({ env, token: TOKEN })
  origin = await HlsOrigin.start({ renditions: [{ name: 'v0', media }] })
  streamId = await gateway.api.stream([origin.url])
  base = `${gateway.url}/hls/${streamId}/`
})
after(async () => {
  await origin[Symbol.asyncDispose]()
  await gateway[Symbol.asyncDispose]()
})

/** As it is, without what fetch does to paths. */
async function raw(path: string): Promise<{ readonly status: number; readonly text: string }> {
  const { hostname, port } = new URL(gateway.url)
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; text: string }>()
  const request = httpRequest({ hostname, port, path, agent: false }, (response) => {
    let text = ''
    response.setEncoding('latin1')
    response.on('data', (piece: string) => (text += piece))
    response.on('end', () => resolve({ status: response.statusCode ?? 0, text }))
    response.on('error', reject)
  })
  request.on('error', reject)
  request.end()
  return await promise
}

async function namesOf(id = streamId): Promise<readonly string[]> {
  const answer = await fetch(`${gateway.url}/hls/${id}/playlist.m3u8`)
  assert.equal(answer.status, 200, await answer.clone().text())
  return parseMediaPlaylist(await answer.text()).segments.map(({ uri }) => uri)
}

const statusOf = async (url: string | URL): Promise<number> => {
  const answer = await fetch(url, { redirect: 'manual' })
  await answer.arrayBuffer()
  return answer.status
}

const segmentOfNobody: Script = (_target, response) => void response.end('private')

describe('what a client names', () => {
  test('is fetched by no route, and read by none', async () => {
    await using private_ = await ScriptedOrigin.start(segmentOfNobody, '127.0.0.3')
    const foreign = encodeURIComponent(`${private_.origin}/secret.ts`)
    const [name = ''] = await namesOf()
    const paths = [
      ...['x', streamId].flatMap((id) => [
        `/hls/${id}/segment?client_id=a&url=/etc/passwd`,
        `/hls/${id}/segment?client_id=a&url=file:///etc/passwd`,
        `/hls/${id}/segment.ts?client_id=a&url=${foreign}`,
        `/hls/${id}/segment.ts?url=http://169.254.169.254/latest/meta-data/`,
        `/hls/${id}/playlist.m3u8?url=${foreign}`,
        `/hls/${id}/${name}?url=${foreign}`,
        `/stream/${id}?url=${foreign}`,
      ]),
      `/hls/${streamId}/v/0/playlist.m3u8?url=${foreign}&uri=${foreign}&src=${foreign}`,
      `/hls/${streamId}/${foreign}`,
      `/hls/${streamId}/s/${foreign}`,
    ]
    for (const path of paths) {
      const { status, text } = await raw(path)
      const isOwn = status === 200 && path.includes(streamId) && (text.startsWith('#EXTM3U') || text.includes('alpha'))
      assert.ok(status >= 400 || isOwn, `${path} was answered ${status}: ${text.slice(0, 80)}`)
      assert.doesNotMatch(text, /root:|private/)
    }
    assert.equal(private_.connections, 0)
  })

  test('leads to no file, however the path is written', async () => {
    const climbs = [
      '../',
      '..%2f',
      '%2e%2e/',
      '%2e%2e%2f',
      '..%5c',
      '..%255c',
      '..%252f',
      '....//',
      '..;/',
      '%c0%ae%c0%ae/',
    ]
    const targets = ['etc/passwd', 'src/main.ts', 'package.json']
    for (const under of ['', 's/', 'cmaf/', 'v/0/', 'k/']) {
      for (const climb of climbs) {
        for (const target of targets) {
          const path = `/hls/${streamId}/${under}${climb.repeat(6)}${target}`
          const { status, text } = await raw(path)
          assert.ok(status >= 400, `${path} was answered ${status}`)
          assert.doesNotMatch(text, /root:|import |"name"/)
        }
      }
    }
    for (const path of ['/static/..%2fmain.py', '/static/%2fetc%2fpasswd', `/hls/${streamId}/%2fetc%2fpasswd`]) {
      assert.ok((await raw(path)).status >= 400, path)
    }
    for (const path of [
      `/hls/${streamId}/%00`,
      `/hls/${streamId}/%`,
      `/hls/%2e%2e/playlist.m3u8`,
      `/hls/${streamId}/`,
    ]) {
      assert.ok((await raw(path)).status >= 400, path)
    }
  })

  test('is refused unless a playlist of this stream named it: altered, cut, of another stream, of one that is gone', async () => {
    await using other = await HlsOrigin.start({ renditions: [{ name: 'v0', media }] })
    const otherId = await gateway.api.stream([other.url])
    const [name = ''] = await namesOf()
    const [otherName = ''] = await namesOf(otherId)
    const middle = Math.floor(name.length / 2)
    const flipped = name[middle] === 'A' ? 'B' : 'A'
    for (const wrong of [
      otherName,
      name.slice(0, middle) + flipped + name.slice(middle + 1),
      `${name.slice(0, 20)}.ts`,
      name.replace(/\.ts$/, ''),
      name.replace(/\.ts$/, '.key'),
      name.replace(/^s\//, 'k/'),
      name.replace(/^s\//, ''),
      `${name}${name}`,
      `s/${'A'.repeat(6_000)}.ts`,
    ]) {
      assert.equal(await statusOf(new URL(wrong, base)), 404, wrong.slice(0, 100))
    }
    assert.equal(await statusOf(new URL(otherName, `${gateway.url}/hls/${otherId}/`)), 200)
    await gateway.api.call('DELETE', `/streams/${otherId}`)
    assert.equal(await statusOf(new URL(otherName, `${gateway.url}/hls/${otherId}/`)), 404)
    // What is fetched ahead may be under way at the end; that name was asked for once, by the one who had it.
    assert.deepEqual(
      [...other.segmentCounts()].filter(([, count]) => count !== 1),
      [],
    )
  })

  test('is not told to those who ask about the gateway without a token', async () => {
    for (const path of ['/info', '/stats', `/streams/${streamId}`, '/clients', '/events']) {
      const { status, text } = await raw(path)
      assert.equal(status, 401, path)
      assert.doesNotMatch(text, /127\.0\.0\.1|m3u8/)
    }
    const { text } = await gateway.api.call('GET', '/info')
    assert.ok(!text.includes(TOKEN))
    const playlist = await (await fetch(`${base}playlist.m3u8`)).text()
    assert.doesNotMatch(playlist, /127\.0\.0\.1|live\/v0|seg-/)
  })
})

/** The text of a live playlist with these addresses. */
function playlistOf(uris: readonly string[], more: readonly string[] = []): string {
  const head = ['#EXTM3U', '#EXT-X-VERSION:6', '#EXT-X-TARGETDURATION:4', '#EXT-X-MEDIA-SEQUENCE:1', ...more]
  return [...head, ...uris.flatMap((uri) => ['#EXTINF:4,', uri])].join('\n')
}

describe('what a source names', () => {
  test('is not connected to where it is private and the operator did not name it', async () => {
    await using private_ = await ScriptedOrigin.start(segmentOfNobody, '127.0.0.3')
    await using source = await ScriptedOrigin.start((target, response) => {
      if (target === '/away.ts') response.writeHead(302, { location: `${private_.origin}/redirected.ts` }).end()
      else
        response.end(
          playlistOf(
            [
              `${private_.origin}/segment.ts`,
              `http://127.3:${private_.port}/short.ts`,
              `http://2130706435:${private_.port}/number.ts`,
              `http://0x7f000003:${private_.port}/hex.ts`,
              `http://[::ffff:127.0.0.3]:${private_.port}/mapped.ts`,
              `http://user:pass@127.0.0.3:${private_.port}/user.ts`,
              `//127.0.0.3:${private_.port}/relative.ts`,
              `http://169.254.169.254/latest/meta-data/`,
              '/away.ts',
              'file:///etc/passwd',
              'ftp://127.0.0.3/file.ts',
              'gopher://127.0.0.3/1',
              'data:text/html,<script>alert(1)</script>',
              'javascript:alert(1)',
            ],
            [
              `#EXT-X-KEY:METHOD=AES-128,URI="${private_.origin}/key"`,
              `#EXT-X-MAP:URI="${private_.origin}/map.mp4"`,
              `#EXT-X-DATERANGE:ID="a",START-DATE="2026-01-01T00:00:00Z",X-ASSET-URI="${private_.origin}/asset.m3u8"`,
            ],
          ),
        )
    })
    const id = await gateway.api.stream([`${source.origin}/live.m3u8`])
    const text = await (await fetch(`${gateway.url}/hls/${id}/playlist.m3u8`)).text()
    assert.doesNotMatch(text, /127\.0\.0\.3|file:|ftp:|javascript:|gopher:|169\.254/)
    const uris = [...text.matchAll(/URI="([^"]+)"/g)].map(([, uri = '']) => uri)
    const names = [...text.split('\n').filter((line) => line !== '' && !line.startsWith('#')), ...uris]
    assert.ok(names.length >= 15, text)
    const ours = names.filter((name) => !name.startsWith('data:'))
    for (const name of ours) assert.ok((await statusOf(new URL(name, `${gateway.url}/hls/${id}/`))) >= 400, name)
    assert.equal(private_.connections, 0)
  })

  test('is no page of this origin: what calls itself one comes as bytes', async () => {
    const segment = media.segment(0, 0)
    await using source = await ScriptedOrigin.start((target, response) => {
      if (target.endsWith('.m3u8')) response.end(playlistOf(['page.html', 'image.svg', 'plain.ts', 'page.xml']))
      else {
        const type = { html: 'text/html', svg: 'image/svg+xml', xml: 'application/xhtml+xml; charset=utf-8' }
        const extension = target.slice(target.lastIndexOf('.') + 1)
        const contentType = extension in type ? type[extension as keyof typeof type] : 'video/mp2t; x="y"'
        response.writeHead(200, { 'content-type': contentType, 'set-cookie': 'stolen=1', 'x-injected': 'yes' })
        response.end(segment)
      }
    })
    const id = await gateway.api.stream([`${source.origin}/live.m3u8`])
    const names = await namesOf(id)
    assert.equal(names.length, 4)
    for (const name of names) {
      const { status, headers } = await fetch(new URL(name, `${gateway.url}/hls/${id}/`))
      assert.equal(status, 200)
      assert.match(headers.get('content-type') ?? '', /^(?:video\/mp2t|application\/octet-stream)/)
      assert.equal(headers.get('x-content-type-options'), 'nosniff')
      assert.deepEqual([headers.get('set-cookie'), headers.get('x-injected')], [null, null])
    }
  })

  test('may be as long as addresses are', async () => {
    const long = `${'very-long-name-'.repeat(120)}.ts?token=${'t'.repeat(1_500)}`
    await using source = await ScriptedOrigin.start((target, response) => {
      if (target.endsWith('.m3u8')) response.end(playlistOf([`a/${long}`, `b/${long}`, `c/${long}`]))
      else response.end(media.segment(1, 0))
    })
    const id = await gateway.api.stream([`${source.origin}/live.m3u8`])
    const [, name = ''] = await namesOf(id)
    assert.equal(await statusOf(new URL(name, `${gateway.url}/hls/${id}/`)), 200)
    assert.ok(source.requests.includes(`/b/${long}`))
  })
})

const endless = (head: string, piece: string): Script => {
  const block = Buffer.from(piece.repeat(Math.ceil(65_536 / piece.length)))
  return (_target, response) => {
    response.write(head)
    let left = 100 * MEGABYTE
    const more = (): void => {
      while (left > 0 && !response.destroyed) {
        left -= block.length
        if (!response.write(block)) {
          response.once('drain', more)
          return
        }
      }
      response.end()
    }
    more()
  }
}
const text =
  (body: string, headers: Readonly<Record<string, string>> = {}): Script =>
  (_target, response) =>
    void response.writeHead(200, headers).end(body)
const laughs = Array.from({ length: 40 }, (_, index) => {
  const value = index === 0 ? 'ha' : `{$v${index - 1}}{$v${index - 1}}`
  return `#EXT-X-DEFINE:NAME="v${index}",VALUE="${value}"`
})

const bomb = gzipSync(Buffer.alloc(100 * MEGABYTE, '#EXTM3U\n'), { level: 9 })

/** What is answered in place of a playlist. */
const evil: readonly (readonly [name: string, script: Script])[] = [
  ['100 MB of comments', endless('#EXTM3U\n', '# comment\n')],
  ['100 MB of segments', endless('#EXTM3U\n#EXT-X-TARGETDURATION:4\n', '#EXTINF:4,\na.ts\n')],
  ['one line of 100 MB', endless('#EXTM3U\n#EXT-X-', 'A')],
  ['100 MB of bytes', endless('', '\u0000\u00ff')],
  ['a compressed bomb', (_target, response) => void response.end(bomb)],
  ['variables that double and double', text(playlistOf(['{$v39}'], laughs))],
  ['150,000 segments', text(playlistOf(Array.from({ length: 150_000 }, (_, index) => `${index}.ts`)))],
  ['a number beyond all', text(playlistOf(['a.ts']).replace('SEQUENCE:1', `SEQUENCE:${'9'.repeat(400)}`))],
  ['a number at the end of all', text(playlistOf(['a.ts']).replace('SEQUENCE:1', `SEQUENCE:${2 ** 53 - 1}`))],
  ['a negative number', text(playlistOf(['a.ts']).replace('SEQUENCE:1', 'SEQUENCE:-5'))],
  ['segments that last for ever', text(playlistOf(['a.ts']).replaceAll(':4', `:${'9'.repeat(300)}`))],
  ['a target duration of nothing', text(playlistOf(['a.ts', 'b.ts', 'c.ts']).replace('DURATION:4', 'DURATION:0'))],
  ['a million attributes', text(playlistOf(['a.ts'], [`#EXT-X-KEY:METHOD=NONE${',A=1'.repeat(900_000)}`]))],
  ['a master that names itself', text('#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nlive.m3u8\n')],
  [
    'a master of 20,000 variants',
    text(`#EXTM3U\n${Array.from({ length: 20_000 }, (_, n) => `#EXT-X-STREAM-INF:BANDWIDTH=1\n${n}.m3u8\n`).join('')}`),
  ],
  ['line breaks of all kinds', text(playlistOf(['a\u2028b.ts', 'c\u0085d.ts', 'e\u000bf.ts', 'g\rh.ts', 'i"j.ts']))],
  ['a redirect to itself', (_target, response) => void response.writeHead(302, { location: '/live.m3u8' }).end()],
]
/** They send gigabytes. A playlist of a day of segments, which is allowed, takes 250 MB while it is read. */
const RSS_GROWTH_MAX = 600 * MEGABYTE
/** A player asks for so long. */
const PATIENCE_MS = 6_000
const AT_ONCE = 4

/** What a player of a source is told, in the end. */
async function toldOf(name: string, script: Script): Promise<string> {
  await using source = await ScriptedOrigin.start(script)
  const id = await gateway.api.stream([`${source.origin}/live.m3u8?${encodeURIComponent(name)}`])
  const url = `${gateway.url}/hls/${id}/playlist.m3u8`
  const told = await fetch(url, { signal: AbortSignal.timeout(PATIENCE_MS) })
    .then((answer) => answer.text())
    .catch(() => '')
  await gateway.api.call('DELETE', `/streams/${id}`)
  assert.ok(source.requests.length > 0, name)
  return told
}

test('sources that are made to do harm do none: memory stays bounded, and other players go on', async () => {
  const before = (await gateway.facts()).rssBytes
  let peak = before
  let isDone = false
  const waiting = [...evil]
  const asking = Array.from({ length: AT_ONCE }, async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const [name, script] = next
      // Names of ours, or an error; nothing that a source wrote.
      assert.doesNotMatch(await toldOf(name, script), /[\u2028\u0085]|^(?!#|s\/|v\/|\{|$).*$/m, name)
    }
  })
  const all = Promise.all(asking).finally(() => (isDone = true))
  await until(
    async () => {
      peak = Math.max(peak, (await gateway.facts()).rssBytes)
      assert.ok((await namesOf()).length > 2)
      return isDone
    },
    { what: 'the end of all of them', deadlineMs: 50_000, evidence: () => waiting.map(([name]) => name) },
  )
  await all
  assert.ok(peak - before < RSS_GROWTH_MAX, `${Math.round((peak - before) / MEGABYTE)} MB more`)
  assert.deepEqual(gateway.otherOutput, [])
})

test('REQUIRE_VIEWER_TOKEN: every reference carries the token of its stream, and is worth nothing with another', async () => {
  await using closed = await GatewayProcess.start({
    env: { API_TOKEN: TOKEN, REQUIRE_VIEWER_TOKEN: 'true', HLS_SEGMENT_SECONDS: '1' },
    token: TOKEN,
  })
  await using body = await FaultOrigin.start({ name: 'packaged' })
  const created = await Promise.all(
    [origin.url, body.url].map((url) => closed.api.call<{ hls_url: string }>('POST', '/streams', { url })),
  )
  const urls = created.map((answer) => new URL(answer.body.hls_url, closed.url))
  const tokens = urls.map(({ searchParams }) => searchParams.get('token') ?? '')
  assert.ok(tokens.every((token) => token.length >= 16) && tokens[0] !== tokens[1])
  for (const [index, url] of urls.entries()) {
    const paths = index === 0 ? ['playlist.m3u8'] : ['playlist.m3u8', 'cmaf/playlist.m3u8', 'master.m3u8']
    for (const path of paths) {
      const playlist = new URL(path + url.search, url)
      const text = await (await fetch(playlist)).text()
      const named = [...text.matchAll(/URI="([^"]+)"|^([^#\n].*)$/gm)].map(([, uri, line]) => uri ?? line ?? '')
      assert.ok(named.length > 0, text)
      for (const name of named) {
        const reference = new URL(name, playlist)
        assert.equal(reference.searchParams.get('token'), tokens[index], name)
        const isHint = text.includes(`PRELOAD-HINT:TYPE=PART,URI="${name}"`)
        if (!isHint) assert.equal(await statusOf(reference), 200, name)
        reference.searchParams.set('token', tokens[1 - index] ?? '')
        assert.equal(await statusOf(reference), 403, name)
        reference.searchParams.delete('token')
        assert.equal(await statusOf(reference), 401, name)
      }
    }
  }
})
