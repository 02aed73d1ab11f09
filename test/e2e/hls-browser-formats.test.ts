import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { HlsBrowser } from '../lab/hls-browser.ts'
import type { HlsPlayer, PlayerFacts } from '../lab/hls-browser.ts'
import { loadFmp4Media, loadPackedAudioMedia, loadTsMedia } from '../lab/hls-media.ts'
import type { HlsMedia } from '../lab/hls-media.ts'
import { HlsOrigin } from '../lab/hls-origin.ts'
import type { HlsOriginOptions } from '../lab/hls-origin.ts'
import type { OriginRendition } from '../lab/hls-playlist-text.ts'
import { HlsProxyLab, UNHURRIED } from '../lab/hls-proxy-lab.ts'
import { PlaylistWatch } from '../lab/playlist-watch.ts'
import { until } from '../lab/poll.ts'

/** hls.js in Chromium over sources whose segments are of different formats. Segments last 1.6 s. */

const later = { offsetTicks: 8_000_000 }
const ts = {
  alpha: await loadTsMedia({ programme: 'alpha', source: 'alpha' }),
  charlie: await loadTsMedia({ programme: 'charlie', source: 'charlie', ...later }),
}
const fmp4 = {
  alpha: await loadFmp4Media({ programme: 'alpha', source: 'alpha' }),
  charlie: await loadFmp4Media({ programme: 'charlie', source: 'charlie', ...later }),
}
const TARGET_MS = 2_000

let browser: HlsBrowser
before(async () => {
  browser = await HlsBrowser.start()
})
after(async () => {
  await browser[Symbol.asyncDispose]()
})

type Wishes = Partial<HlsOriginOptions>
/** Pictures with their sound, or each in a playlist of its own. */
type Programme = HlsMedia | { readonly video: HlsMedia; readonly audio: HlsMedia }

function renditionsOf(programme: Programme): readonly OriginRendition[] {
  if (!('video' in programme)) return [{ name: 'v0', media: programme }]
  return [
    { name: 'v0', media: programme.video },
    { name: 'en', media: programme.audio, isAudio: true },
  ]
}

async function scene([first, second]: readonly [Programme, Programme], wishes: Wishes = {}) {
  const origins = [
    await HlsOrigin.start({ renditions: renditionsOf(first) }),
    await HlsOrigin.start({ renditions: renditionsOf(second), firstSequence: 900, ...wishes }),
  ] as const
  const lab = await HlsProxyLab.start({ limits: UNHURRIED, urls: origins.map(({ url }) => url) })
  const watch = PlaylistWatch.start(lab.entry)
  const player = await browser.play(lab.entry)
  await player.hasPlayed(2)
  return {
    origins,
    lab,
    player,
    watch,
    [Symbol.asyncDispose]: async () => {
      await player[Symbol.asyncDispose]()
      await watch.stop()
      await lab[Symbol.asyncDispose]()
      for (const origin of origins) await origin[Symbol.asyncDispose]().catch(() => undefined)
    },
  }
}

async function shows(player: HlsPlayer, programme: 'alpha' | 'charlie'): Promise<PlayerFacts> {
  await player.shows(programme)
  return player.playsOn(3)
}

function isUntroubled(facts: PlayerFacts): void {
  assert.deepEqual(facts.fatalErrors, [])
  assert.ok(facts.longestStallMs < TARGET_MS, `the picture stood still for ${facts.longestStallMs} ms`)
}

const pairs: Readonly<Record<string, readonly [HlsMedia, HlsMedia]>> = {
  'from MPEG-TS to fragmented MP4': [ts.alpha, fmp4.charlie],
  'from fragmented MP4 to MPEG-TS': [fmp4.alpha, ts.charlie],
}

for (const [name, pair] of Object.entries(pairs)) {
  test(`${name}: switches by hand, and back`, async () => {
    await using channel = await scene(pair)
    const { player, lab, watch } = channel
    lab.putOnAir(1)
    await shows(player, 'charlie')
    lab.putOnAir(0)
    const facts = await shows(player, 'alpha')
    isUntroubled(facts)
    assert.equal(facts.stalls, 0)
    assert.deepEqual(facts.otherErrors, [])
    assert.deepEqual(watch.problems, [])
    assert.deepEqual(lab.failures, [])
  })

  test(`${name}: goes on when its source dies`, async () => {
    await using channel = await scene(pair)
    const { player, origins, watch } = channel
    await origins[0][Symbol.asyncDispose]()
    isUntroubled(await shows(player, 'charlie'))
    assert.deepEqual(watch.problems, [])
  })
}

test('from fragmented MP4 to encrypted MPEG-TS', async () => {
  await using channel = await scene(pairs['from fragmented MP4 to MPEG-TS'] ?? assert.fail(), {
    encryption: { explicitIv: false },
  })
  const { player, lab, watch } = channel
  lab.putOnAir(1)
  isUntroubled(await shows(player, 'charlie'))
  assert.deepEqual(watch.problems, [])
  assert.ok(
    (await lab.playlist()).segments.slice(-2).every(({ keys }) => keys.every(({ method }) => method === 'NONE')),
  )
})

const alone = async (streams: 'video' | 'audio', source: 'alpha' | 'charlie', load: typeof loadTsMedia) =>
  await load({ programme: source, source, streams, ...(source === 'charlie' ? later : {}) })

const separate: Readonly<Record<string, () => Promise<readonly [Programme, Programme]>>> = {
  'fragmented MP4 with its sound beside it, then MPEG-TS with all in one': async () => [
    { video: await alone('video', 'alpha', loadFmp4Media), audio: await alone('audio', 'alpha', loadFmp4Media) },
    ts.charlie,
  ],
  'fragmented MP4 with its sound beside it, then MPEG-TS with packed audio': async () => [
    { video: await alone('video', 'alpha', loadFmp4Media), audio: await alone('audio', 'alpha', loadFmp4Media) },
    {
      video: await alone('video', 'charlie', loadTsMedia),
      audio: await loadPackedAudioMedia({ programme: 'charlie', source: 'charlie', ...later }),
    },
  ],
  'MPEG-TS with packed audio, then fragmented MP4 with its sound beside it': async () => [
    {
      video: await alone('video', 'alpha', loadTsMedia),
      audio: await loadPackedAudioMedia({ programme: 'alpha', source: 'alpha' }),
    },
    { video: await alone('video', 'charlie', loadFmp4Media), audio: await alone('audio', 'charlie', loadFmp4Media) },
  ],
  'MPEG-TS with its sound beside it, then fragmented MP4 with all in one': async () => [
    { video: await alone('video', 'alpha', loadTsMedia), audio: await alone('audio', 'alpha', loadTsMedia) },
    fmp4.charlie,
  ],
}

for (const [name, load] of Object.entries(separate)) {
  test(`${name}: switches by hand, and back`, async () => {
    await using channel = await scene(await load())
    const { player, lab, watch } = channel
    lab.putOnAir(1)
    isUntroubled(await shows(player, 'charlie'))
    lab.putOnAir(0)
    isUntroubled(await shows(player, 'alpha'))
    assert.deepEqual(watch.problems, [])
    assert.deepEqual(lab.failures, [])
  })
}

test('what only players can decrypt is not made into anything: its source fails, and says why', async () => {
  await using first = await HlsOrigin.start({ renditions: renditionsOf(fmp4.alpha) })
  const extraLines = ['#EXT-X-KEY:METHOD=SAMPLE-AES,URI="key-1.key",IV=0x00000000000000000000000000000001']
  await using second = await HlsOrigin.start({ renditions: renditionsOf(ts.charlie), extraLines })
  await using lab = await HlsProxyLab.start({ limits: UNHURRIED, urls: [first.url, second.url] })
  await lab.playlist()
  lab.putOnAir(1)
  await until(() => lab.failures.length > 0, { what: 'its failure' })
  assert.equal(lab.failures[0]?.reason, 'segment_invalid')
  assert.match(lab.failures[0]?.message ?? '', /another format than players have.*SAMPLE-AES/)
  assert.deepEqual(lab.violations, [])
})
