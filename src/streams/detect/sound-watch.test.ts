import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { seededRandom } from '../../lib/random.ts'
import { LEVEL_DB_MIN, SoundWatch } from './sound-watch.ts'

const SAMPLES_PER_SECOND = 8_000
const FULL_SCALE = 32_768

interface Sound {
  readonly seconds: number
  /** Level of a square wave on the left and right channel, dBFS. */
  readonly left: number
  readonly right?: number
}

function samples({ seconds, left, right = left }: Sound): Buffer {
  const amplitudes = [left, right].map((db) => Math.round(FULL_SCALE * 10 ** (db / 20)))
  const sound = Buffer.alloc(Math.round(seconds * SAMPLES_PER_SECOND) * 4)
  for (let at = 0; at < sound.length; at += 4) {
    const sign = at % 80 < 40 ? 1 : -1
    sound.writeInt16LE(sign * Math.min(32_767, amplitudes[0] ?? 0), at)
    sound.writeInt16LE(sign * Math.min(32_767, amplitudes[1] ?? 0), at + 2)
  }
  return sound
}

const HOLD = { thresholdDb: -50, holdMs: 10_000, checks: undefined }
const CHECKS = {
  thresholdDb: -50,
  holdMs: 3_000,
  checks: { intervalMs: 10_000, badMax: 3, gracePeriodMs: 15_000 },
}
const LOUD = -20
const QUIET = -60

function hear(watched: SoundWatch, ...sounds: readonly Sound[]): SoundWatch {
  for (const sound of sounds) watched.observe(samples(sound), 0)
  return watched
}

describe('held for a while', () => {
  test('ten seconds below the threshold', () => {
    const watched = hear(new SoundWatch(HOLD), { seconds: 2, left: LOUD }, { seconds: 9.9, left: QUIET })
    assert.equal(watched.isSilent, false)
    hear(watched, { seconds: 0.1, left: QUIET })
    assert.equal(watched.isSilent, true)
    assert.equal(watched.silentMs, 10_000)
    assert.equal(Math.round(watched.levelDb), QUIET)
  })

  test('a level at or above the threshold is no silence', () => {
    assert.equal(hear(new SoundWatch(HOLD), { seconds: 12, left: -49.5 }).isSilent, false)
    assert.equal(hear(new SoundWatch(HOLD), { seconds: 12, left: -50.5 }).isSilent, true)
  })

  test('sound on one channel only is sound', () => {
    assert.equal(hear(new SoundWatch(HOLD), { seconds: 12, left: -90, right: LOUD }).isSilent, false)
  })

  test('a tenth of a second of sound begins it anew, and it is over at once', () => {
    const watched = hear(new SoundWatch(HOLD), { seconds: 11, left: QUIET })
    assert.equal(watched.isSilent, true)
    hear(watched, { seconds: 0.1, left: LOUD })
    assert.equal(watched.isSilent, false)
    assert.equal(watched.sinceMs, Number.NaN)
    assert.equal(hear(watched, { seconds: 9, left: QUIET }).isSilent, false)
  })

  test('nothing at all has the lowest level', () => {
    const watched = new SoundWatch(HOLD)
    watched.observe(Buffer.alloc(4 * SAMPLES_PER_SECOND), 0)
    assert.equal(watched.levelDb, LEVEL_DB_MIN)
  })

  test('it does not matter where samples are cut', () => {
    const [random, whole, cut] = [seededRandom(7), new SoundWatch(HOLD), new SoundWatch(HOLD)]
    const sound = Buffer.concat([
      samples({ seconds: 1.23, left: -30, right: -41 }),
      samples({ seconds: 11, left: -66 }),
    ])
    whole.observe(sound, 0)
    for (let at = 0; at < sound.length;) {
      const bytes = Math.floor(random.next() * 9)
      cut.observe(sound.subarray(at, at + bytes), 0)
      at += bytes
    }
    assert.equal(cut.levelDb, whole.levelDb)
    assert.equal(cut.silentMs, whole.silentMs)
    assert.ok(whole.silentMs > 10_000)
  })

  test('the beginning is the time of its first silent window', () => {
    const watched = new SoundWatch(HOLD)
    watched.observe(samples({ seconds: 1, left: LOUD }), 100)
    watched.observe(samples({ seconds: 1, left: QUIET }), 200)
    watched.observe(samples({ seconds: 10, left: QUIET }), 300)
    assert.equal(watched.sinceMs, 200)
  })
})

describe('checked at intervals, as m3u-proxy does', () => {
  test('three checks in a row that find three seconds of silence, after the grace period', () => {
    const watched = hear(new SoundWatch(CHECKS), { seconds: 44.9, left: QUIET })
    assert.equal(watched.isSilent, false)
    assert.equal(watched.badChecks, 2)
    assert.equal(hear(watched, { seconds: 0.1, left: QUIET }).isSilent, true)
  })

  test('a check that finds sound begins the count anew', () => {
    const watched = hear(
      new SoundWatch(CHECKS),
      { seconds: 43, left: QUIET },
      { seconds: 1, left: LOUD },
      { seconds: 1, left: QUIET },
    )
    assert.equal(watched.badChecks, 0)
    assert.equal(watched.isSilent, false)
  })

  test('silence shorter than the duration is no bad check', () => {
    const watched = new SoundWatch(CHECKS)
    for (let round = 0; round < 30; round += 1) {
      hear(watched, { seconds: 2.9, left: QUIET }, { seconds: 0.1, left: LOUD })
      assert.equal(watched.badChecks, 0)
    }
  })

  test('it is over when sound is back', () => {
    const watched = hear(new SoundWatch(CHECKS), { seconds: 46, left: QUIET })
    assert.equal(watched.isSilent, true)
    assert.equal(hear(watched, { seconds: 0.1, left: LOUD }).isSilent, false)
  })

  test('a restart forgets the checks', () => {
    const watched = hear(new SoundWatch(CHECKS), { seconds: 46, left: QUIET })
    watched.restart()
    assert.equal(watched.isSilent, false)
    assert.equal(watched.badChecks, 0)
  })
})
