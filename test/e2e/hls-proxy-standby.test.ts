import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { systemClock } from '../../src/lib/clock.ts'
import { loadFmp4Media, loadTsMedia } from '../lab/hls-media.ts'
import { HlsOrigin } from '../lab/hls-origin.ts'
import type { HlsOriginOptions } from '../lab/hls-origin.ts'
import { HlsProxyLab } from '../lab/hls-proxy-lab.ts'
import type { HlsProxyLabOptions } from '../lab/hls-proxy-lab.ts'
import { HlsSegmentPlayer } from '../lab/hls-segment-player.ts'
import { until } from '../lab/poll.ts'

/** A hot standby of HLS that is passed on: players go on with what is here already. */

const alpha = await loadTsMedia({ programme: 'alpha', source: 'alpha', segmentMs: 800 })
const bravo = await loadTsMedia({ programme: 'bravo', source: 'bravo', segmentMs: 800, offsetTicks: 8_000_000 })
const startAlpha = (options: Partial<HlsOriginOptions> = {}) =>
  HlsOrigin.start({ renditions: [{ name: 'v0', media: alpha }], ...options })
const startBravo = (options: Partial<HlsOriginOptions> = {}) =>
  HlsOrigin.start({ renditions: [{ name: 'v0', media: bravo }], firstSequence: 7_000, ...options })

const lastOf = (player: HlsSegmentPlayer, source: string, count: number): boolean =>
  player.segments.slice(-count).filter((segment) => segment.source === source).length === count

interface Scene extends AsyncDisposable {
  readonly first: HlsOrigin
  readonly second: HlsOrigin
  readonly lab: HlsProxyLab
  readonly player: HlsSegmentPlayer
}

/** Two sources, a player that has begun, and a standby that is ready. */
async function playing(
  options: Partial<HlsOriginOptions> = {},
  labOptions: Partial<HlsProxyLabOptions> = {},
): Promise<Scene> {
  const [first, second] = [await startAlpha(options), await startBravo(options)]
  const lab = await HlsProxyLab.start({ urls: [first.url, second.url], isHot: true, ...labOptions })
  const player = new HlsSegmentPlayer(lab)
  await until(() => lastOf(player, 'alpha', 6) && lab.proxy.standby?.isReady === true, {
    ...{ what: 'a standby that is ready', evidence: () => [lab.failures, lab.standbyFailures] },
  })
  return {
    ...{ first, second, lab, player },
    [Symbol.asyncDispose]: async () => {
      await player[Symbol.asyncDispose]()
      await lab[Symbol.asyncDispose]()
      for (const origin of [first, second]) await origin[Symbol.asyncDispose]()
    },
  }
}

/** Each segment came over the wire once, and nothing was missed. */
function assertGraceful({ second, lab, player }: Scene): void {
  const often = [...second.segmentCounts()].filter(([, count]) => count > 1)
  assert.deepEqual(often, [], 'segments that were fetched more than once')
  assert.equal(player.stalledMs, 0)
  assert.equal(player.broken, 0)
  assert.deepEqual(lab.violations, [])
  assert.deepEqual(lab.wereStandby, [2])
}

const FAULTS = {
  'its connections are reset': (origin) => {
    origin.playlistFault = { kind: 'reset' }
    origin.segmentFault = { kind: 'reset' }
  },
  'its playlist is 404': (origin) => {
    origin.playlistFault = { kind: 'status', status: 404 }
  },
  'its playlist stands still': (origin) => origin.setFrozen(true),
  'its segments are 404': (origin) => {
    origin.segmentFault = { kind: 'status', status: 404 }
  },
  'its segments stall': (origin) => {
    origin.segmentFault = { kind: 'stall', afterBytes: 5_000 }
  },
} satisfies Readonly<Record<string, (origin: HlsOrigin) => void>>

suite('players go on with segments of the standby that are here when', { concurrency: 2 }, () => {
  for (const [what, fail] of Object.entries(FAULTS)) {
    test(what, async () => {
      const released = Promise.withResolvers<void>()
      const onSwitch = (): void => {
        // Nothing more of the new source can be had for now: only what is here already.
        scene.second.segmentFault = { kind: 'wait', until: released.promise }
        scene.second.playlistFault = scene.second.segmentFault
      }
      await using scene: Scene = await playing({}, { onSwitch })
      const { first, lab, player } = scene
      fail(first)
      await until(() => lastOf(player, 'bravo', 1), {
        ...{ what: 'a segment of the standby', evidence: () => [lab.failures, lab.standbyFailures, player.refusals] },
      })
      released.resolve()
      await until(() => lastOf(player, 'bravo', 4), {
        ...{ what: 'going on', evidence: () => [lab.failures, player.refusals] },
      })
      assertGraceful(scene)
    })
  }
})

test('a switch by hand publishes the standby at once', async () => {
  await using scene = await playing()
  const { second, lab, player } = scene
  second.playlistFault = { kind: 'never_answer' }
  second.segmentFault = { kind: 'never_answer' }
  const names = new Set((await lab.playlist()).segments.map(({ uri }) => uri))
  lab.putOnAir(1)
  const added = (await lab.playlist()).segments.filter(({ uri }) => !names.has(uri))
  assert.ok(added.length > 0)
  for (const { uri } of added) assert.equal((await lab.get(uri)).status, 200)
  second.playlistFault = undefined
  second.segmentFault = undefined
  await until(() => lastOf(player, 'bravo', 4), { what: 'going on', evidence: () => [lab.failures, player.refusals] })
})

test('segments that both date go on where players are, out of what is here', async () => {
  await using scene = await playing({ hasProgramDateTime: true })
  const { first, player } = scene
  first.playlistFault = { kind: 'reset' }
  first.segmentFault = { kind: 'reset' }
  await until(() => lastOf(player, 'bravo', 4), { what: 'going on', evidence: () => player.refusals })
  assertGraceful(scene)
})

test('a standby of another container, and one with encrypted segments, are ready too', async () => {
  const media = await loadFmp4Media({ programme: 'bravo', source: 'bravo', segmentMs: 800 })
  await using first = await startAlpha()
  await using fmp4 = await HlsOrigin.start({
    ...{ renditions: [{ name: 'v0', media }], firstSequence: 9_000, encryption: { explicitIv: false } },
  })
  await using lab = await HlsProxyLab.start({ urls: [first.url, fmp4.url], isHot: true })
  await using player = new HlsSegmentPlayer(lab)
  await until(() => lastOf(player, 'alpha', 3) && lab.proxy.standby?.isReady === true, { what: 'a standby' })
  await until(() => fmp4.countOf('init') > 0 && fmp4.countOf('key') > 0, { what: 'its section and key' })
  const asked = { init: fmp4.countOf('init'), key: fmp4.countOf('key') }
  fmp4.segmentFault = { kind: 'never_answer' }
  fmp4.keyFault = { kind: 'never_answer' }
  first.playlistFault = { kind: 'reset' }
  first.segmentFault = { kind: 'reset' }
  await until(() => lab.onAir === 1, { what: 'the switch' })
  const before = player.segments.length
  await until(() => player.segments.length > before, {
    what: 'a segment of the standby',
    evidence: () => player.refusals,
  })
  assert.deepEqual({ init: fmp4.countOf('init'), key: fmp4.countOf('key') }, asked)
  assert.equal(player.stalledMs, 0)
})

test('a standby that fails is told, and the one after it stands by', async () => {
  await using first = await startAlpha()
  await using second = await startBravo()
  await using third = await startBravo()
  await using lab = await HlsProxyLab.start({ urls: [first.url, second.url, third.url], isHot: true })
  await using player = new HlsSegmentPlayer(lab)
  await until(() => lab.proxy.standby?.isReady === true, { what: 'a standby that is ready' })
  second.segmentFault = { kind: 'html' }
  await until(() => lab.standbyFailures.length > 0, { what: 'the standby failing' })
  assert.equal(lab.standbyFailures[0]?.index, 1)
  assert.equal(lab.standbyFailures[0]?.reason, 'segment_invalid')
  await until(() => third.countOf('segment') > 1 && lab.proxy.standby?.isReady === true, {
    what: 'the third standing by',
  })
  assert.deepEqual(lab.failures, [])
  assert.deepEqual(player.sources, ['alpha'])
})

test('what a standby holds is bounded, and nothing is asked of it any more once it does not stand by', async () => {
  await using scene = await playing()
  const { second, lab } = scene
  const held = second.countOf('segment')
  assert.ok(held <= 8, `${held} segments were fetched of a playlist that plays 3 target durations ahead at most`)
  lab.proxy.dropStandby()
  assert.equal(lab.proxy.standby, undefined)
  await systemClock.sleep(200)
  const before = second.requests.length
  await systemClock.sleep(1_500)
  assert.equal(second.requests.length, before)
})

test('of a master playlist only what players play is followed, and another quality as soon as one plays it', async () => {
  const variants = (media: typeof alpha, names: readonly [string, string]) =>
    names.map((name, index) => ({
      ...{ name, media, bandwidth: 1_000_000 / (index + 1) },
      resolution: index === 0 ? '640x360' : '320x180',
    }))
  await using first = await startAlpha({ renditions: variants(alpha, ['a', 'b']) })
  await using second = await startBravo({ renditions: variants(bravo, ['x', 'y']) })
  await using lab = await HlsProxyLab.start({ urls: [first.url, second.url], isHot: true })
  await lab.get('playlist.m3u8')
  const small = new HlsSegmentPlayer(lab, 'v/1/playlist.m3u8')
  await using _ = small
  const asksFor = (name: string): boolean =>
    second.requests.some(({ target, kind }) => kind === 'segment' && target.includes(`/${name}/`))
  await until(() => lastOf(small, 'alpha', 6) && lab.proxy.standby?.isReady === true && asksFor('y'), {
    what: 'a standby that is ready',
  })
  const ofLarge = () => second.requests.filter(({ target }) => target.includes('/x/')).length
  const before = ofLarge()
  const played = small.segments.length
  await until(() => small.segments.length > played + 3, { what: 'going on' })
  assert.equal(ofLarge(), before, 'nobody plays the large one')
  await using large = new HlsSegmentPlayer(lab, 'v/0/playlist.m3u8')
  await until(() => lastOf(large, 'alpha', 6), { what: 'the other quality playing' })
  await until(() => ofLarge() > before + 1, { what: 'the other quality of the standby' })
  first.playlistFault = { kind: 'reset' }
  first.segmentFault = { kind: 'reset' }
  await until(() => lastOf(small, 'bravo', 4) && lastOf(large, 'bravo', 4), { what: 'both going on' })
  assert.deepEqual(
    [...second.segmentCounts()].filter(([, count]) => count > 1),
    [],
  )
  assert.deepEqual([small.stalledMs, large.stalledMs], [0, 0])
  assert.deepEqual(lab.violations, [])
})
