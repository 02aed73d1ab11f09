import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { discontinuitySequences } from '../../src/hls/timeline.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { loadTsMedia } from '../lab/hls-media.ts'
import { HlsOrigin } from '../lab/hls-origin.ts'
import type { HlsOriginOptions } from '../lab/hls-origin.ts'
import { HlsProxyLab } from '../lab/hls-proxy-lab.ts'
import { HlsSegmentPlayer } from '../lab/hls-segment-player.ts'
import { until } from '../lab/poll.ts'

/** Switches of proxied HLS: by hand, round and back, over a restart of the gateway, and when nothing is left. */

const alpha = await loadTsMedia({ programme: 'alpha', source: 'alpha', segmentMs: 800 })
const bravo = await loadTsMedia({ programme: 'bravo', source: 'bravo', segmentMs: 800, offsetTicks: 8_000_000 })
const startAlpha = (options: Partial<HlsOriginOptions> = {}) =>
  HlsOrigin.start({ renditions: [{ name: 'v0', media: alpha }], ...options })
const startBravo = (options: Partial<HlsOriginOptions> = {}) =>
  HlsOrigin.start({ renditions: [{ name: 'v0', media: bravo }], firstSequence: 7_000, ...options })

/** For tests in which no deadline is meant to pass: all is in this process, and late when the processor is not ours. */
const patient = { timeouts: { connectMs: 8_000, answerMs: 8_000, silenceMs: 8_000, totalMs: 20_000 } }

const lastOf = (player: HlsSegmentPlayer, source: string, count: number): boolean =>
  player.segments.slice(-count).filter((segment) => segment.source === source).length === count

describe('HLS that is passed on', { concurrency: 4 }, () => {
  test('by hand, back, and round again: players see every programme and miss nothing', async () => {
    await using first = await startAlpha()
    await using second = await startBravo()
    await using lab = await HlsProxyLab.start({ urls: [first.url, second.url], limits: patient })
    await using player = new HlsSegmentPlayer(lab)
    await until(() => lastOf(player, 'alpha', 4), { what: 'the first source playing' })
    for (const index of [1, 0, 1]) {
      lab.putOnAir(index)
      await until(() => lastOf(player, index === 0 ? 'alpha' : 'bravo', 4), {
        ...{ what: `source ${index} playing`, evidence: () => [lab.failures, player.refusals] },
      })
    }
    assert.deepEqual(player.sources, ['alpha', 'bravo', 'alpha', 'bravo'])
    assert.deepEqual(lab.failures, [])
    assert.deepEqual(player.refusals, [])
    assert.deepEqual(player.gaps, [])
    assert.equal(player.stalledMs, 0)
    assert.deepEqual(lab.violations, [])
    const sequences = player.segments.map(({ sequence }) => sequence)
    assert.deepEqual(
      sequences,
      sequences.map((_, index) => (sequences[0] ?? 0) + index),
    )
    assert.equal(player.segments.filter(({ startsDiscontinuity }) => startsDiscontinuity).length, 3)
  })

  test('a switch by hand to a source that has nothing leaves players with what they have', async () => {
    await using first = await startAlpha()
    await using second = await startBravo()
    second.playlistFault = { kind: 'status', status: 503 }
    await using lab = await HlsProxyLab.start({ urls: [first.url, second.url], limits: patient })
    await using player = new HlsSegmentPlayer(lab)
    await until(() => lastOf(player, 'alpha', 4), { what: 'the first source playing' })
    lab.putOnAir(1)
    await until(() => lab.failures.length > 0, { what: 'the second source failing' })
    const before = player.segments.length
    await until(() => player.segments.length > before + 3, { what: 'going on' })
    assert.deepEqual(player.sources, ['alpha'])
    assert.equal(lab.failures[0]?.index, 1)
    assert.equal(player.stalledMs, 0)
    assert.equal(player.segments.filter(({ startsDiscontinuity }) => startsDiscontinuity).length, 0)
    assert.deepEqual(lab.violations, [])
  })

  test('a source that recovers by itself goes on where it was, without a seam', async () => {
    await using first = await startAlpha()
    await using lab = await HlsProxyLab.start({ urls: [first.url], delayMs: 200, limits: patient })
    await using player = new HlsSegmentPlayer(lab)
    await until(() => lastOf(player, 'alpha', 4), { what: 'playing' })
    first.playlistFault = { kind: 'status', status: 502 }
    await until(() => lab.failures.length > 1, { what: 'failing' })
    first.playlistFault = undefined
    const before = player.segments.length
    await until(() => player.segments.length > before + 3, { what: 'going on' })
    assert.equal(player.segments.filter(({ startsDiscontinuity }) => startsDiscontinuity).length, 0)
    assert.deepEqual(player.refusals, [])
    assert.deepEqual(lab.violations, [])
  })

  test('one segment that the only source does not have is a gap, and no reason to leave it', async () => {
    await using first = await startAlpha()
    await using lab = await HlsProxyLab.start({ urls: [first.url], limits: patient })
    await using player = new HlsSegmentPlayer(lab)
    await until(() => lastOf(player, 'alpha', 4), { what: 'playing' })
    const bad = first.edge + 1
    first.faultySegments = new Set([bad])
    first.segmentFault = { kind: 'status', status: 404 }
    await until(() => (player.segments.at(-1)?.sequence ?? 0) > bad + 2, { what: 'going on' })
    assert.deepEqual(player.gaps, [bad])
    assert.deepEqual(lab.failures, [])
    assert.deepEqual(lab.violations, [])
  })

  test('an event may end, a channel does not', async () => {
    for (const extraLines of [['#EXT-X-PLAYLIST-TYPE:EVENT'], []]) {
      await using first = await startAlpha({ extraLines, window: extraLines.length > 0 ? 100 : 6, preroll: 6 })
      await using lab = await HlsProxyLab.start({ urls: [first.url], delayMs: 500 })
      const before = await lab.playlist()
      assert.equal(before.playlistType, extraLines.length > 0 ? 'EVENT' : undefined)
      first.isEnded = true
      await until(async () => lab.failures.length > 0 || (await lab.playlist()).hasEndList, { what: 'the end' })
      assert.equal((await lab.playlist()).hasEndList, extraLines.length > 0)
      assert.equal(lab.failures.length > 0, extraLines.length === 0)
      assert.deepEqual(lab.violations, [])
    }
  })

  test('segments that both date are joined so that nothing is repeated and nothing is missed', async () => {
    await using first = await startAlpha({ hasProgramDateTime: true })
    await using second = await startBravo({ hasProgramDateTime: true, window: 10 })
    await using lab = await HlsProxyLab.start({ urls: [first.url, second.url], limits: patient })
    await using player = new HlsSegmentPlayer(lab)
    await until(() => lastOf(player, 'alpha', 4), { what: 'the first source playing' })
    first.setFrozen(true)
    await until(() => lastOf(player, 'bravo', 4), { what: 'the second source playing' })
    lab.proxy.switched({ to: { index: 1 }, trigger: 'failover', reason: 'playlist_frozen' })
    const playlist = await lab.playlist()
    const told = playlist.dateRanges[0]?.attributes.map(({ name, value }) => `${name}=${value}`) ?? []
    const expected = [
      'CLASS=holdfast.switch',
      'X-HOLDFAST-FROM=0',
      'X-HOLDFAST-TO=1',
      'X-HOLDFAST-REASON=playlist_frozen',
    ]
    for (const attribute of expected) assert.ok(told.includes(attribute), `${attribute} in ${told.join()}`)
    assert.deepEqual(lab.violations, [])
  })

  test('a restart of the gateway: the same names and numbers, and no seam', async () => {
    await using first = await startAlpha({ kept: 100 })
    await using second = await startBravo({ kept: 100 })
    await using lab = await HlsProxyLab.start({ urls: [first.url, second.url], limits: patient })
    await using player = new HlsSegmentPlayer(lab)
    await until(() => lastOf(player, 'alpha', 3), { what: 'the first source playing' })
    lab.putOnAir(1)
    await until(() => lastOf(player, 'bravo', 3), { what: 'the second source playing' })
    const before = await lab.playlist()
    lab.restart()
    const after = await lab.playlist()
    const [last] = before.segments.slice(-1)
    assert.ok(after.segments.some(({ uri }) => uri === last?.uri))
    assert.deepEqual(discontinuitySequences(after).at(-1), discontinuitySequences(before).at(-1))
    // What players had in their list before can still be had.
    for (const { uri } of before.segments) assert.equal((await lab.get(uri)).status, 200)
    const count = player.segments.length
    await until(() => player.segments.length > count + 3, { what: 'going on' })
    assert.deepEqual(lab.violations, [])
    assert.deepEqual(player.gaps, [])
  })

  test('a restart onto another source: numbers go on', async () => {
    await using first = await startAlpha()
    await using second = await startBravo({ firstSequence: 0 })
    await using lab = await HlsProxyLab.start({ urls: [first.url, second.url], limits: patient })
    const before = await lab.playlist()
    first.playlistFault = { kind: 'status', status: 500 }
    lab.restart()
    const after = await lab.playlist()
    assert.equal(lab.onAir, 1)
    assert.ok(after.mediaSequence > before.mediaSequence + before.segments.length - 1)
    assert.ok((discontinuitySequences(after)[0] ?? 0) > 0)
  })

  test('the first source is down from the start: the first request is answered from the second', async () => {
    await using first = await startAlpha()
    await using second = await startBravo()
    first.playlistFault = { kind: 'html' }
    await using lab = await HlsProxyLab.start({ urls: [first.url, second.url], limits: patient })
    const playlist = await lab.playlist()
    assert.equal(playlist.mediaSequence >= 7_000, true)
    assert.deepEqual(
      playlist.segments.filter(({ isDiscontinuity }) => isDiscontinuity),
      [],
    )
  })

  test('with nothing left players are told in the end, and not before', async () => {
    await using first = await startAlpha()
    const limits = { startTimeoutMs: 1_500, viewerHoldMs: 8_000 }
    await using lab = await HlsProxyLab.start({ urls: [first.url], limits })
    const before = await lab.playlist()
    first.playlistFault = { kind: 'status', status: 500 }
    first.segmentFault = { kind: 'status', status: 500 }
    await until(() => lab.failures.length > 0, { what: 'the failure', deadlineMs: 5_000 })
    const held = await lab.playlist()
    assert.ok(held.mediaSequence >= before.mediaSequence && !held.hasEndList)
    await until(async () => (await lab.get('playlist.m3u8')).status === 504, { what: 'the error', deadlineMs: 13_000 })
  })

  test('a source that cannot be had at all is answered with an error within the time that players wait', async () => {
    await using first = await startAlpha()
    first.playlistFault = { kind: 'status', status: 403 }
    await using lab = await HlsProxyLab.start({ urls: [first.url], limits: { startTimeoutMs: 1_000 } })
    const startMs = systemClock.nowMs()
    assert.equal((await lab.get('playlist.m3u8')).status, 504)
    // Players of a source that has delivered are held for 20 s.
    assert.ok(systemClock.nowMs() - startMs < 15_000)
  })

  test('whatever the playlist offers right after a switch can be had: what has not come of the old source is a gap', async () => {
    await using first = await startAlpha()
    await using second = await startBravo()
    await using lab = await HlsProxyLab.start({ urls: [first.url, second.url] })
    await lab.playlist()
    await until(() => first.countOf('segment') > 2, { what: 'segments that are taken in ahead' })
    first.segmentFault = { kind: 'stall', afterBytes: 20_000 }
    let [old, offered]: [number, number] = [0, 0]
    const playlist = await until(
      async () => {
        const now = await lab.playlist()
        return now.segments.some(({ isDiscontinuity }) => isDiscontinuity) && now
      },
      { what: 'the switch', evidence: () => lab.failures },
    )
    const seam = playlist.segments.findIndex(({ isDiscontinuity }) => isDiscontinuity)
    for (const { uri, isGap } of playlist.segments.slice(seam - 3)) {
      if (isGap) old += 1
      else {
        assert.equal((await lab.get(uri)).status, 200)
        offered += 1
      }
    }
    assert.ok(old > 0 && offered > 0, `${old} gaps, ${offered} segments`)
    assert.deepEqual(lab.violations, [])
  })

  test('a source whose segments come slower than they play is left before players run dry', async () => {
    await using first = await startAlpha()
    await using second = await startBravo()
    await using lab = await HlsProxyLab.start({ urls: [first.url, second.url] })
    await using player = new HlsSegmentPlayer(lab)
    await until(() => lastOf(player, 'alpha', 4), { what: 'the first source playing' })
    first.segmentFault = { kind: 'slow', bytesPerSecond: 10_000 }
    await until(() => lastOf(player, 'bravo', 3), { what: 'the second source playing', evidence: () => lab.failures })
    assert.equal(lab.failures[0]?.reason, 'answer_timeout')
    assert.match(lab.failures[0]?.message ?? '', /not complete within/)
    assert.deepEqual(lab.violations, [])
  })
})
