import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { seededRandom } from '../../lib/random.ts'
import { PICTURE_BYTES, PICTURE_WIDTH, PictureWatch } from './picture-watch.ts'

const plain = (luma: number) => Buffer.alloc(PICTURE_BYTES, luma)

/** A picture with this many cells of another luma, from the top left on. */
function spotted(luma: number, cells: number, other: number): Buffer {
  return plain(luma).fill(other, 0, cells)
}

/** What an encoder makes of the same picture time and again: hardly any cell moves, by one step. */
function withNoise(picture: Buffer, seed: number): Buffer {
  const random = seededRandom(seed)
  return Buffer.from(picture.map((luma) => luma + (random.next() < 0.05 ? 1 : 0)))
}

/** A picture each `everyMs`, and what is held after the last. */
function watch(pictures: readonly Buffer[], everyMs = 2_000): PictureWatch {
  const watched = new PictureWatch()
  for (const [index, picture] of pictures.entries()) watched.observe(picture, index * everyMs, 1_000 + index)
  return watched
}

describe('black', () => {
  test('two black keyframes two seconds apart', () => {
    const watched = watch([plain(120), plain(16), plain(25)])
    assert.equal(watched.isBlack, true)
    assert.deepEqual(watched.black, { ms: 2_000, pictures: 2, sinceMs: 1_001 })
  })

  test('a single one is none, however long ago the one before was', () => {
    assert.equal(watch([plain(120), plain(0)], 10_000).isBlack, false)
  })

  test('many within less than two seconds are none', () => {
    assert.equal(watch([0, 0, 0, 0].map(plain), 600).isBlack, false)
    assert.equal(watch([0, 0, 0, 0, 0].map(plain), 600).isBlack, true)
  })

  test('a channel logo of 2 % does not light it up, a caption does', () => {
    assert.equal(watch([0, 1, 2].map(() => spotted(3, 46, 200))).isBlack, true)
    assert.equal(watch([0, 1, 2].map(() => spotted(3, 47, 200))).isBlack, false)
  })

  test('one step above the threshold is no black', () => {
    assert.equal(watch([plain(26), plain(26), plain(26)]).isBlack, false)
  })

  test('it is over with the first picture that is not', () => {
    const watched = watch([plain(0), plain(0), plain(0), plain(80)])
    assert.equal(watched.isBlack, false)
    assert.deepEqual(watched.black, { ms: 0, pictures: 0, sinceMs: Number.NaN })
  })
})

describe('frozen', () => {
  const scene = Buffer.from(Array.from({ length: PICTURE_BYTES }, (_, index) => 40 + (index % 150)))

  test('the same picture for ten seconds, with the noise of an encoder', () => {
    const pictures = [1, 2, 3, 4, 5, 6].map((seed) => withNoise(scene, seed))
    assert.equal(watch(pictures.slice(0, 5)).isFrozen, false)
    const watched = watch(pictures)
    assert.equal(watched.isFrozen, true)
    assert.deepEqual(watched.frozen, { ms: 10_000, pictures: 6, sinceMs: 1_000 })
    assert.ok(watched.difference < 0.255, `${watched.difference}`)
  })

  test('a still camera in front of somebody who speaks is not frozen', () => {
    const pictures = Array.from({ length: 8 }, (_, index) => {
      const picture = withNoise(scene, index)
      const mouth = 20 * PICTURE_WIDTH + 30
      return picture.fill(60 + 8 * (index % 2), mouth, mouth + 2)
    })
    const watched = watch(pictures)
    assert.equal(watched.isFrozen, false)
    assert.equal(watched.frozen.pictures, 1)
  })

  test('movement that is too slow to see from one keyframe to the next adds up', () => {
    const pictures = Array.from({ length: 20 }, (_, index) => spotted(90, 300, 90 + index))
    assert.equal(watch(pictures).isFrozen, false)
  })

  test('two keyframes ten seconds apart are no evidence, three are', () => {
    assert.equal(watch([scene, scene], 10_000).isFrozen, false)
    assert.equal(watch([scene, scene, scene], 5_000).isFrozen, true)
  })

  test('a jump of the clock counts for fifteen seconds at most, and one back for nothing', () => {
    const watched = new PictureWatch()
    for (const ms of [0, 3_600_000, 1_000]) watched.observe(scene, ms, 0)
    assert.equal(watched.frozen.ms, 15_000)
  })

  test('pictures without a time are counted and add no time', () => {
    const watched = new PictureWatch()
    for (let index = 0; index < 10; index += 1) watched.observe(scene, Number.NaN, 0)
    assert.deepEqual(watched.frozen, { ms: 0, pictures: 10, sinceMs: 0 })
  })

  test('it begins anew after a restart', () => {
    const watched = watch([scene, scene, scene], 5_000)
    watched.restart()
    assert.equal(watched.isFrozen, false)
    watched.observe(scene, 20_000, 0)
    assert.deepEqual(watched.frozen, { ms: 0, pictures: 1, sinceMs: 0 })
  })
})
