import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { systemClock } from '../../src/lib/clock.ts'
import { GatewayProcess } from '../lab/gateway-process.ts'
import { filmFixture, readFixture, runTool } from '../lab/media.ts'
import { VodOrigin } from '../lab/vod-origin.ts'
import type { VodOriginOptions } from '../lab/vod-origin.ts'

let gateway: GatewayProcess
let film: Buffer
before(async () => {
  film = await readFixture(filmFixture(20))
  gateway = await GatewayProcess.start()
})
after(async () => await gateway[Symbol.asyncDispose]())

const whole = { content: () => film, etag: '"film-1"' }
const openFilm = (more: Omit<VodOriginOptions, 'content'> = {}) =>
  VodOrigin.start({ content: whole.content(), ...more })

describe('a film', { concurrency: 3 }, () => {
  test('comes whole with its length, type and ranges', async () => {
    await using origin = await openFilm({ etag: whole.etag })
    const streamId = await gateway.api.stream([origin.url])
    using viewer = gateway.watch(streamId)
    assert.equal(await viewer.finished(), 'ended')
    assert.equal(viewer.status, 200)
    assert.equal(viewer.headers['content-length'], `${film.length}`)
    assert.equal(viewer.headers['content-type'], 'video/mp4')
    assert.equal(viewer.headers['accept-ranges'], 'bytes')
    assert.ok(viewer.body.equals(film))
  })

  const ranges: readonly (readonly [string, number, number])[] = [
    ['bytes=0-99', 0, 99],
    ['bytes=1000-1999', 1000, 1999],
    ['bytes=500000-', 500_000, -1],
    ['bytes=-1000', -1000, -1],
  ]
  for (const [range, from, to] of ranges) {
    test(`answers 206 to ${range}`, async () => {
      await using origin = await openFilm({ etag: whole.etag })
      const first = from < 0 ? film.length + from : from
      const last = to < 0 ? film.length - 1 : to
      const streamId = await gateway.api.stream([origin.url])
      using viewer = gateway.watch(streamId, { headers: { range } })
      assert.equal(await viewer.finished(), 'ended')
      assert.equal(viewer.status, 206)
      assert.equal(viewer.headers['content-range'], `bytes ${first}-${last}/${film.length}`)
      assert.ok(viewer.body.equals(film.subarray(first, last + 1)))
    })
  }
})

describe('a film also', { concurrency: 3 }, () => {
  test('answers 416 to a range behind its end', async () => {
    await using origin = await openFilm()
    const streamId = await gateway.api.stream([origin.url])
    using viewer = gateway.watch(streamId, { headers: { range: `bytes=${film.length}-` } })
    await viewer.finished()
    assert.equal(viewer.status, 416)
  })

  test('answers HEAD with the head of GET and no body', async () => {
    await using origin = await openFilm()
    const streamId = await gateway.api.stream([origin.url])
    using viewer = gateway.watch(streamId, { method: 'HEAD' })
    await viewer.finished()
    assert.equal(viewer.status, 200)
    assert.equal(viewer.headers['content-length'], `${film.length}`)
    assert.equal(viewer.totalBytes, 0)
  })

  test('gives every viewer an upstream of its own', async () => {
    await using origin = await openFilm()
    const streamId = await gateway.api.stream([origin.url])
    const viewers = ['bytes=0-999', 'bytes=5000-5999'].map((range) => gateway.watch(streamId, { headers: { range } }))
    for (const viewer of viewers) await viewer.finished()
    assert.deepEqual(
      viewers.map((viewer) => viewer.body.equals(film.subarray(...rangeOf(viewer.headers['content-range'])))),
      [true, true],
    )
    assert.ok(origin.requests.length >= 2)
    for (const viewer of viewers) viewer.close()
  })

  test('goes on at the same byte after a pause', async () => {
    await using origin = await openFilm()
    const streamId = await gateway.api.stream([origin.url])
    using viewer = gateway.watch(streamId)
    await viewer.hasRead(1)
    viewer.pause()
    // The pause is what is tested; it is longer than the buffers on the way can hide.
    await systemClock.sleep(3_000)
    viewer.resume()
    assert.equal(await viewer.finished(), 'ended')
    assert.ok(viewer.body.equals(film))
  })
})

describe('a film whose source dies at half', { concurrency: 3 }, () => {
  const half = 1_000_000
  test('goes on at the same offset of the failover URL when the strong ETag is equal', async () => {
    await using dying = await openFilm({ etag: whole.etag, diesAtOffset: half, death: 'fin' })
    await using backup = await openFilm({ etag: whole.etag })
    const streamId = await gateway.api.stream([dying.url, backup.url])
    using viewer = gateway.watch(streamId)
    assert.equal(await viewer.finished(), 'ended')
    assert.ok(viewer.body.equals(film), `${viewer.totalBytes} bytes of ${film.length}`)
    assert.ok(backup.requests.some(({ range }) => range?.startsWith('bytes=') === true))
  })

  test('goes on at the same offset when only the lengths are equal', async () => {
    await using dying = await openFilm({ diesAtOffset: half })
    await using backup = await openFilm()
    const streamId = await gateway.api.stream([dying.url, backup.url])
    using viewer = gateway.watch(streamId)
    assert.equal(await viewer.finished(), 'ended')
    assert.ok(viewer.body.equals(film))
  })

  test('goes on inside the range that was asked for', async () => {
    await using dying = await openFilm({ etag: whole.etag, diesAtOffset: half })
    await using backup = await openFilm({ etag: whole.etag })
    const streamId = await gateway.api.stream([dying.url, backup.url])
    using viewer = gateway.watch(streamId, { headers: { range: 'bytes=500000-1499999' } })
    assert.equal(await viewer.finished(), 'ended')
    assert.equal(viewer.status, 206)
    assert.ok(viewer.body.equals(film.subarray(500_000, 1_500_000)))
  })

  test('is cut, never continued, with a file of another length', async () => {
    await using dying = await openFilm({ diesAtOffset: half })
    await using other = await VodOrigin.start({ content: film.subarray(0, film.length - 1) })
    const streamId = await gateway.api.stream([dying.url, other.url])
    using viewer = gateway.watch(streamId)
    assert.equal(await viewer.finished(), 'cut')
    assert.ok(viewer.totalBytes <= half + 1)
    assert.ok(viewer.body.equals(film.subarray(0, viewer.totalBytes)))
  })

  test('starts on the failover URL when the first answers 404', async () => {
    await using broken = await openFilm()
    broken.status = 404
    await using backup = await openFilm()
    const streamId = await gateway.api.stream([broken.url, backup.url])
    using viewer = gateway.watch(streamId)
    assert.equal(await viewer.finished(), 'ended')
    assert.ok(viewer.body.equals(film))
  })
})

test('a player can seek in a film through the gateway', async () => {
  await using origin = await openFilm()
  const streamId = await gateway.api.stream([origin.url])
  const url = `${gateway.url}/stream/${streamId}`
  const seek = await runTool('ffmpeg', ['-v', 'error', '-ss', '15', '-i', url, '-frames:v', '10', '-f', 'null', '-'])
  assert.equal(seek.stderr, '')
  assert.equal(seek.code, 0)
})

function rangeOf(header: string | undefined): readonly [number, number] {
  const match = /^bytes (\d+)-(\d+)\//.exec(header ?? '')
  return [Number(match?.[1]), Number(match?.[2]) + 1]
}
