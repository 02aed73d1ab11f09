import assert from 'node:assert/strict'
import { createCipheriv } from 'node:crypto'
import { test } from 'node:test'
import { systemClock } from '../../../lib/clock.ts'
import { readProgrammeLayout } from '../../../mpegts/programme-layout.ts'
import { SegmentCache } from '../upstream/segment-cache.ts'
import { ScriptedOrigin, testSession } from '../upstream/upstream.fixture.ts'
import { PICTURES, samplesOf, SOUNDS, tsSegment, unitsOf } from './media.fixture.ts'
import type { Recipe } from './recipe.ts'
import { SegmentMaker } from './segment-maker.ts'
import { ToFmp4 } from './to-fmp4.ts'

const KEY = Buffer.alloc(16, 9)
const IV = Buffer.alloc(16, 5)
const KEYED = (origin: ScriptedOrigin) => ({ url: origin.url('/key'), iv: IV.toString('hex') })
const encrypted = (bytes: Buffer) => {
  const cipher = createCipheriv('aes-128-cbc', KEY, IV)
  return Buffer.concat([cipher.update(bytes), cipher.final()])
}

/** Sources of both formats, and what is made of them. */
async function lab() {
  const origin = await ScriptedOrigin.start()
  const fmp4 = new ToFmp4('all', undefined)
  const files = new Map<string, Buffer>([['/key', KEY]])
  for (const index of [0, 1, 2]) {
    const ts = tsSegment(index)
    files.set(`/${index}.ts`, ts).set(`/${index}.enc`, encrypted(ts)).set(`/${index}.m4s`, fmp4.make(ts, index))
  }
  files.set('/map', fmp4.map ?? assert.fail())
  origin.answer = ({ url = '' }, response) => {
    const body = files.get(url)
    response.writeHead(body === undefined ? 404 : 200, { etag: '"theirs"' }).end(body)
  }
  const session = testSession(origin.url('/'), systemClock)
  const cache = new SegmentCache({ clock: systemClock, bytesMax: 10_000_000, ageMsMax: 60_000 })
  const maker = new SegmentMaker(cache)
  const open = (path: string, recipe: Recipe) =>
    cache.open(maker.request({ session, url: `${origin.url(path)}#1`, span: 1 }, recipe))
  const read = async (path: string, recipe: Recipe) => {
    const reader = open(path, recipe)
    const head = await reader.head()
    const pieces: Buffer[] = []
    for (;;) {
      const piece = await reader.next()
      if (piece.kind === 'data') pieces.push(piece.bytes)
      else {
        reader.close()
        return { head, end: piece.kind === 'failed' ? piece.failure : undefined, body: Buffer.concat(pieces) }
      }
    }
  }
  return {
    ...{ origin, cache, read },
    toTs: (sequence: number): Recipe => ({
      ...{ to: 'mpegts', run: '0.0', sequence, key: undefined, layout: undefined },
      map: { url: origin.url('/map'), byteRange: undefined, key: undefined },
    }),
    toFmp4: (sequence: number, to: 'fmp4' | 'fmp4_map' = 'fmp4', key?: ReturnType<typeof KEYED>): Recipe => ({
      ...{ to, run: '0.0', sequence, key, streams: 'all', tracks: undefined },
    }),
    [Symbol.asyncDispose]: async () => {
      maker[Symbol.dispose]()
      cache[Symbol.dispose]()
      session[Symbol.dispose]()
      await origin[Symbol.asyncDispose]()
    },
  }
}

test('however many ask, each segment and section is fetched once and made once, with its true length', async () => {
  await using bench = await lab()
  const { origin, cache, read, toTs } = bench
  const answers = await Promise.all(
    [0, 1, 2, 0, 1, 2, 2, 2].map(async (index) => await read(`/${index}.m4s`, toTs(index))),
  )
  for (const { head, end, body } of answers) {
    assert.equal(end, undefined)
    assert.ok(head.kind === 'answered')
    assert.equal(head.head.contentLength, body.length)
    assert.equal(head.head.contentType, 'video/mp2t')
    assert.equal(head.head.headers['etag'], undefined)
    assert.equal(unitsOf(body).length, PICTURES + SOUNDS)
  }
  assert.ok(answers[2]?.body.equals(answers[7]?.body ?? Buffer.alloc(0)))
  assert.equal(origin.requests.length, 4)
  assert.equal(cache.fetches, 4)
})

test('the section of a run is there also when its first segment is gone', async () => {
  await using bench = await lab()
  const { origin, read, toFmp4 } = bench
  const segment = await read('/1.ts', toFmp4(1))
  const before = origin.requests.length
  const map = await read('/0.ts', toFmp4(0, 'fmp4_map'))
  assert.equal(samplesOf(map.body, segment.body).length, PICTURES + SOUNDS)
  assert.equal(origin.requests.length, before)
})

test('what is encrypted is decrypted for it; a key that does not fit is a fault of the source', async () => {
  await using bench = await lab()
  const { origin, read, toFmp4 } = bench
  const { body } = await read('/0.enc', toFmp4(0, 'fmp4', KEYED(origin)))
  const map = await read('/0.enc', toFmp4(0, 'fmp4_map', KEYED(origin)))
  assert.equal(samplesOf(map.body, body).length, PICTURES + SOUNDS)
  const wrong = await read('/1.ts', toFmp4(1, 'fmp4', KEYED(origin)))
  assert.equal(wrong.end?.kind, 'segment_invalid')
  assert.equal((await read('/9.ts', toFmp4(9))).end?.kind, 'segment_missing')
})

test('other PIDs: all else stays, and lengths are those of the source', async () => {
  await using bench = await lab()
  const layout = { programmeNumber: 3, pmtPid: 0x20, streams: [{ pid: 0x30, codec: 'h264' } as const] }
  const { head, body } = await bench.read('/0.ts', { to: 'pids', layout })
  assert.equal(body.length, tsSegment(0).length)
  assert.ok(head.kind === 'answered' && head.head.headers['etag'] === undefined)
  const found = readProgrammeLayout(body)
  assert.deepEqual([found?.programmeNumber, found?.pmtPid, found?.streams[0]?.pid], [3, 0x20, 0x30])
})
