import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import HLS from 'hls-parser'
import { attributeText } from '../../src/hls/attribute-list.ts'
import { parseMediaPlaylist, parsePlaylist } from '../../src/hls/parse-playlist.ts'
import { checkRenditions } from '../../src/hls/rendition-rules.ts'
import { PlaylistRules } from '../../src/hls/rules.ts'
import { describeViolations } from '../../src/hls/violation.ts'
import { createSimulatedClock } from '../../src/lib/simulated-clock.ts'
import type { SimulatedClock } from '../../src/lib/simulated-clock.ts'
import { silentLog } from '../../src/lib/log.ts'
import { CmafMuxer } from '../../src/streams/cmaf/cmaf-muxer.ts'
import { Spill } from '../../src/streams/packager/spill.ts'
import { PackagedStream, SplicedStream } from '../lab/packaged-stream.ts'
import type { PackagedStreamOptions } from '../lab/packaged-stream.ts'
import { decodeSnapshot } from '../lab/playlist-snapshot.ts'
import { loadTsLoop } from '../lab/ts-loop.ts'

/** It comes without types. */
const { Parser } = createRequire(import.meta.url)('m3u8-parser') as {
  readonly Parser: new () => {
    push(text: string): void
    end(): void
    readonly manifest: { readonly segments: unknown[] }
  }
}

const PLAYLISTS = ['playlist.m3u8', 'cmaf/playlist.m3u8', 'playlist.m3u8?format=fmp4'] as const

const alpha = await loadTsLoop({ programme: 'alpha', source: 'alpha' })
const bravo = await loadTsLoop({ programme: 'bravo', source: 'bravo', offsetTicks: 123_456_789 })

interface Scene extends AsyncDisposable {
  readonly clock: SimulatedClock
  readonly stream: SplicedStream
  readonly hls: PackagedStream
}

/** A stream that has played for `seconds` when the first HLS client comes. */
async function scene(
  seconds: number,
  { isSeamless, ...options }: Partial<PackagedStreamOptions> & { readonly isSeamless?: boolean } = {},
): Promise<Scene> {
  const clock = options.clock ?? createSimulatedClock()
  const stream = options.stream ?? new SplicedStream(clock, isSeamless)
  if (seconds > 0) await stream.play(alpha, seconds)
  const hls = await PackagedStream.start({ createMuxer: () => new CmafMuxer(), ...options, clock, stream })
  return { clock, stream, hls, [Symbol.asyncDispose]: () => hls[Symbol.asyncDispose]() }
}

/** Looks at every playlist again and again, as the rules and two parsers of others see it. */
class Watch {
  readonly #scene: Scene
  readonly #rules = new Map(PLAYLISTS.map((path) => [path, new PlaylistRules({ isTimely: true })]))
  readonly found: string[] = []
  reads = 0

  constructor(scene: Scene) {
    this.#scene = scene
  }

  async look(): Promise<void> {
    const { hls, clock } = this.#scene
    const texts = new Map<string, string>()
    for (const [path, rules] of this.#rules) {
      const { status, text } = await hls.get(path)
      assert.equal(status, 200, text)
      texts.set(path, text)
      const violations = rules.pushText(text, clock.nowMs())
      if (violations.length > 0) this.found.push(`${path}: ${describeViolations(violations)}\n${text}`)
      readByOthers(text)
      this.reads += 1
    }
    const named = [...texts].map(([name, text]) => ({ name, playlist: parseMediaPlaylist(text) }))
    const violations = checkRenditions(named)
    if (violations.length > 0) this.found.push(describeViolations(violations))
  }
}

function readByOthers(text: string): void {
  const parsed = HLS.parse(text)
  const parser = new Parser()
  parser.push(text)
  parser.end()
  const { segments } = parseMediaPlaylist(text)
  assert.ok(!parsed.isMasterPlaylist)
  assert.equal(parser.manifest.segments.length, segments.length)
}

async function segmentsOf(hls: PackagedStream, path = 'playlist.m3u8') {
  const { status, text } = await hls.get(path)
  assert.equal(status, 200, text)
  return parseMediaPlaylist(text)
}

describe('a live stream as HLS', () => {
  it('has playlists without a fault through switches of the source, read by ffmpeg and others', async () => {
    await using s = await scene(10)
    const watch = new Watch(s)
    await watch.look()
    for (const source of [alpha, bravo, alpha]) {
      for (let step = 0; step < 40; step += 1) {
        if (step > 0 && step % 20 === 0) s.stream.cut()
        await s.stream.play(source, 0.4)
        await watch.look()
      }
      s.stream.cut()
    }
    assert.deepEqual(watch.found, [])
    assert.ok(watch.reads > 300)
    const get = (path: string) => s.hls.get(path)
    const ts = await decodeSnapshot('playlist.m3u8', get)
    const cmaf = await decodeSnapshot('playlist.m3u8?format=fmp4', get)
    assert.deepEqual([ts.warnings, cmaf.warnings], ['', ''])
    assert.ok(ts.pictures.length > 25 * 25)
    assert.deepEqual(cmaf.pictures, ts.pictures.slice(0, cmaf.pictures.length))
    assert.ok(cmaf.pictures.length >= ts.pictures.length - 4.2 * 25)
  })

  it('has no discontinuity at a seam of the splice, and one where a source follows without it', async () => {
    await using seamless = await scene(12)
    seamless.stream.cut()
    await seamless.stream.play(bravo, 12)
    const { segments } = await segmentsOf(seamless.hls)
    assert.equal(segments.filter(({ isDiscontinuity }) => isDiscontinuity).length, 0)

    await using plain = await scene(12, { isSeamless: false })
    await plain.stream.play(bravo, 14)
    const after = await segmentsOf(plain.hls)
    assert.equal(after.segments.filter(({ isDiscontinuity }) => isDiscontinuity).length, 1)

    await using both = await scene(12, { isSeamless: false })
    const watch = new Watch(both)
    await watch.look()
    await both.stream.play(bravo, 14)
    await watch.look()
    assert.deepEqual(watch.found, [])
    for (const path of PLAYLISTS) {
      const { segments } = await segmentsOf(both.hls, path)
      assert.ok(
        segments.some(({ isDiscontinuity }) => isDiscontinuity),
        path,
      )
    }
    // Of a transport stream ffmpeg goes on decoding the PIDs that it began with.
    const decoded = await decodeSnapshot('playlist.m3u8?format=fmp4', (name) => both.hls.get(name))
    assert.ok(decoded.pictures.length > 20 * 25, `${decoded.pictures.length} ${decoded.warnings}`)
  })

  it('answers the first request when there is media to play on with, and with the failure when none comes', async () => {
    await using s = await scene(0)
    const first = s.hls.get('playlist.m3u8')
    await s.stream.play(alpha, 7)
    const { segments } = parseMediaPlaylist((await first).text)
    assert.deepEqual(
      segments.map(({ durationS }) => durationS),
      [1.6, 1.6, 1.6],
    )

    await using late = await scene(2)
    const short = late.hls.get('playlist.m3u8')
    await requestsWaiting(late, short, 10_000)
    assert.equal(parseMediaPlaylist((await short).text).segments.length, 1)

    await using silent = await scene(0)
    const refused = silent.hls.get('cmaf/playlist.m3u8')
    await requestsWaiting(silent, refused, 10_000)
    assert.deepEqual([(await refused).status, (await refused).text], [504, 'upstream_timeout'])
  })

  it('holds a request back until the segment or part that it asks for is there', async () => {
    await using s = await scene(12)
    const { text } = await s.hls.get('cmaf/playlist.m3u8')
    const before = parseMediaPlaylist(text)
    const next = before.mediaSequence + before.segments.length
    const parts = before.trailing?.parts.length ?? 0
    const part = s.hls.get(`cmaf/playlist.m3u8?_HLS_msn=${next}&_HLS_part=${parts}`)
    const segment = s.hls.get(`playlist.m3u8?_HLS_msn=${next + 1}`)
    const hinted = s.hls.get(before.preloadHints[0]?.uri.replace('../', '') ?? '')
    await s.stream.play(alpha, 1)
    const withPart = parseMediaPlaylist((await part).text)
    assert.ok((withPart.trailing?.parts.length ?? 0) > parts || withPart.segments.length > before.segments.length)
    const { status, body } = await hinted
    assert.equal(status, 200)
    assert.equal(body.toString('latin1', 4, 8), 'moof')
    await s.stream.play(alpha, 8)
    const withSegment = parseMediaPlaylist((await segment).text)
    assert.ok(withSegment.mediaSequence + withSegment.segments.length > next + 1)
    for (const asked of [`_HLS_msn=${next + 9}`, '_HLS_msn=x', '_HLS_part=1']) {
      assert.equal((await s.hls.get(`playlist.m3u8?${asked}`)).status, 400, asked)
    }
  })

  it('answers those who wait with what there is when nothing comes, and lets them go at the end', async () => {
    await using s = await scene(12)
    const { mediaSequence, segments } = await segmentsOf(s.hls)
    const asked = `playlist.m3u8?_HLS_msn=${mediaSequence + segments.length}`
    const waiting = s.hls.get(asked)
    await requestsWaiting(s, waiting, 15_000)
    assert.equal(parseMediaPlaylist((await waiting).text).mediaSequence, mediaSequence)
    const last = s.hls.get(asked)
    const left = new AbortController()
    const leaving = s.hls.get(asked, { signal: left.signal }).then(
      () => 'answered',
      (error: unknown) => String(error),
    )
    await requestsWaiting(s, last, 100)
    left.abort()
    assert.match(await leaving, /abort/i)
    s.hls.packager[Symbol.dispose]()
    assert.equal((await last).status, 404)
    assert.equal((await s.hls.get('playlist.m3u8')).status, 404)
  })

  it('gives only what is new to a player that asks for a delta update', async () => {
    await using s = await scene(8, { limits: { hlsDvrMs: 120_000 } })
    await s.hls.get('cmaf/playlist.m3u8')
    await s.stream.play(alpha, 80)
    for (const path of ['playlist.m3u8?', 'cmaf/playlist.m3u8?']) {
      const full = parseMediaPlaylist((await s.hls.get(path)).text)
      const { text } = await s.hls.get(`${path}_HLS_skip=YES`)
      assert.match(text, /#EXT-X-SKIP:SKIPPED-SEGMENTS=\d+/)
      const delta = parseMediaPlaylist(text, { previous: full })
      assert.deepEqual(delta.segments, full.segments)
      assert.ok(text.length < 0.8 * (await s.hls.get(path)).text.length)
    }
  })

  it('goes on with its numbers after a restart, with a discontinuity and other names', async () => {
    const clock = createSimulatedClock()
    const rules = new PlaylistRules()
    const seen = new Set<string>()
    let memory: PackagedStreamOptions['memory']
    let targetDurationS: number | undefined
    for (let run = 0; run < 3; run += 1) {
      await using s = await scene(12, { clock, memory })
      await s.stream.play(alpha, 9)
      const { text } = await s.hls.get('playlist.m3u8')
      const found = rules.pushText(text, clock.nowMs())
      assert.equal(describeViolations(found), '')
      const { segments, ...playlist } = parseMediaPlaylist(text)
      targetDurationS ??= playlist.targetDurationS
      assert.equal(playlist.targetDurationS, targetDurationS)
      assert.equal(
        segments.some(({ isDiscontinuity }) => isDiscontinuity),
        run > 0,
      )
      const made = segments.filter(({ isGap }) => !isGap)
      for (const { uri } of made) {
        assert.ok(!seen.has(uri), uri)
        seen.add(uri)
      }
      // It is saved with every segment.
      memory = s.hls.packager.memory
      assert.ok(s.hls.memoryChanges >= made.length)
    }
  })

  it('says when the source was switched, without an address, until that leaves the window', async () => {
    await using s = await scene(12)
    s.hls.packager.switched({
      ...{ receiptId: 'receipt-1', decidedWallMs: s.clock.wallMs(), from: { index: 0 }, to: { index: 1 } },
      ...{ trigger: 'failover', reason: 'upstream_reset', measured: { gapMs: 80 } },
    })
    for (const path of PLAYLISTS) {
      const { dateRanges } = await segmentsOf(s.hls, path)
      assert.deepEqual(
        dateRanges.map(({ attributes }) => attributeText(attributes, 'ID')),
        ['receipt-1'],
        path,
      )
    }
    await s.stream.play(alpha, 60)
    assert.equal((await segmentsOf(s.hls)).dateRanges.length, 0)
  })

  it('has a master playlist with both renditions, whose references carry the client along', async () => {
    await using s = await scene(12)
    const master = parsePlaylist((await s.hls.get('master.m3u8?client_id=c%201&token=t')).text)
    assert.ok(master.kind === 'master')
    assert.deepEqual(
      master.variants.map(({ uri, attributes }) => [uri, attributeText(attributes, 'CODECS')]),
      [
        ['playlist.m3u8?client_id=c+1&token=t', 'avc1.4d400d,mp4a.40.2'],
        ['cmaf/playlist.m3u8?client_id=c+1&token=t', 'avc1.4d400d,mp4a.40.2'],
      ],
    )
    const { text } = await s.hls.get('cmaf/playlist.m3u8?client_id=c%201&token=t')
    const uris = text.match(/[\w./-]+\.(?:m4s|mp4)\S*/g) ?? []
    assert.ok(uris.length > 10)
    for (const uri of uris) assert.match(uri, /\?client_id=c\+1&token=t"?/)
  })

  it('answers HEAD, ranges and validators of a segment, and 404 for what it never named', async () => {
    await using s = await scene(12)
    const uri = (await segmentsOf(s.hls)).segments[0]?.uri ?? ''
    const whole = await s.hls.get(uri)
    assert.deepEqual([whole.status, whole.headers.get('content-type')], [200, 'video/mp2t'])
    assert.equal(whole.headers.get('content-length'), String(whole.body.length))
    assert.match(whole.headers.get('cache-control') ?? '', /max-age=30, immutable/)
    const head = await s.hls.get(uri, { method: 'HEAD' })
    assert.deepEqual([head.status, head.headers.get('content-length')], [200, String(whole.body.length)])
    const range = await s.hls.get(uri, { headers: { range: 'bytes=188-375' } })
    assert.equal(range.status, 206)
    assert.equal(range.headers.get('content-range'), `bytes 188-375/${whole.body.length}`)
    assert.deepEqual(range.body, whole.body.subarray(188, 376))
    assert.equal((await s.hls.get(uri, { headers: { range: 'bytes=99999999-' } })).status, 416)
    const etag = whole.headers.get('etag') ?? ''
    assert.equal((await s.hls.get(uri, { headers: { 'if-none-match': etag } })).status, 304)
    const others = ['ts/other.ts', 'ts/../../x', '%2e%2e/secret', 'cmaf/', '', uri.replace('.ts', '.m4s')]
    for (const other of others) assert.equal((await s.hls.get(other)).status, 404, other)
  })

  it('keeps what has left the playlist for those who are still fetching it', async () => {
    await using s = await scene(12)
    const oldest = (await segmentsOf(s.hls)).segments[0]?.uri ?? ''
    await s.stream.play(alpha, 40)
    assert.ok(!(await segmentsOf(s.hls)).segments.some(({ uri }) => uri === oldest))
    assert.equal((await s.hls.get(oldest)).status, 200)
    await s.stream.play(alpha, 40)
    assert.equal((await s.hls.get(oldest)).status, 404)
  })

  it('goes back for as long as the disk allows where the memory is too small', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'holdfast-dvr-'))
    try {
      await using spill = new Spill({ directory, bytesMax: 1e9, log: silentLog })
      const limits = { hlsDvrMs: 3_600_000, hlsBufferBytesMax: 5_000_000 }
      await using s = await scene(12, { limits, spill: spill.forStream() })
      // A disk is slower than a simulated clock.
      for (let step = 0; step < 120; step += 1) {
        await s.stream.play(alpha, 1)
        await spill.settled()
      }
      const { segments } = await segmentsOf(s.hls)
      assert.ok(segments.length > 30)
      assert.ok(s.hls.packager.bytes <= 5_000_000)
      assert.ok((await readdir(directory)).length > 15)
      const decoded = await decodeSnapshot('playlist.m3u8', (path) => s.hls.get(path))
      assert.equal(decoded.warnings, '')
      assert.ok(decoded.pictures.length > 124 * 25, `${decoded.pictures.length}`)
      const range = await s.hls.get(segments[0]?.uri ?? '', { headers: { range: 'bytes=188-375' } })
      assert.deepEqual([range.status, range.body.length, range.body[0]], [206, 188, 0x47])
    } finally {
      await rm(directory, { recursive: true, force: true })
    }
  })

  it('cannot be had of a stream that is no MPEG-TS', async () => {
    await using s = await scene(0, { container: () => 'flv' })
    const { status, text } = await s.hls.get('playlist.m3u8')
    assert.deepEqual([status, text], [409, 'hls_not_available'])
  })
})

/** Lets a request reach the server and wait there, and then `ms` pass. */
async function requestsWaiting(s: Scene, request: Promise<unknown>, ms: number): Promise<void> {
  const answered = Promise.race([request.then(() => true), Promise.resolve(false)])
  const before = s.clock.pending
  for (let turn = 0; turn < 500 && s.clock.pending <= before; turn += 1) await s.clock.settle()
  assert.equal(await answered, false)
  await s.clock.advance(ms)
}
