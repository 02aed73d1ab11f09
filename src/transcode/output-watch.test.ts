import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OutputWatch } from './output-watch.ts'

const newWatch = (hasVideo = true) => new OutputWatch({ startLimitMs: 15_000, silenceLimitMs: 10_000, hasVideo })

/** Fed every 100 ms from `fromMs` to `toMs`. */
function feed(watch: OutputWatch, fromMs: number, toMs: number): void {
  for (let atMs = fromMs; atMs <= toMs; atMs += 100) watch.fed(atMs, false)
}

test('an encoder that never begins is given the start limit', () => {
  const watch = newWatch()
  feed(watch, 0, 14_900)
  assert.equal(watch.verdict(14_900), undefined)
  feed(watch, 15_000, 15_000)
  assert.match(watch.verdict(15_000) ?? '', /nothing for 15000 ms/)
})

test('one that starves is not to blame, however long', () => {
  const watch = newWatch()
  feed(watch, 0, 5_000)
  watch.putOut(5_000)
  feed(watch, 5_100, 9_000)
  assert.equal(watch.verdict(600_000), undefined)
})

test('one that stops while it is fed has the silence limit', () => {
  const watch = newWatch()
  feed(watch, 0, 1_000)
  watch.putOut(1_000)
  feed(watch, 1_100, 11_000)
  assert.equal(watch.verdict(11_000), undefined)
  feed(watch, 11_100, 11_100)
  assert.match(watch.verdict(11_100) ?? '', /nothing for 10000 ms/)
})

test('one that takes nothing is found though nothing more can be given', () => {
  const watch = newWatch()
  watch.fed(0, false)
  watch.putOut(10)
  watch.fed(100, true)
  assert.equal(watch.verdict(9_000), undefined)
  assert.notEqual(watch.verdict(10_100), undefined)
  watch.taken()
  assert.equal(watch.verdict(10_200), undefined)
})

test('one that stops while more waits for it than it takes is found by its output', () => {
  const watch = newWatch()
  watch.fed(0, true)
  watch.putOut(5_000)
  assert.equal(watch.verdict(14_900), undefined)
  assert.match(watch.verdict(15_000) ?? '', /nothing for 10000 ms/)
})

test('sound alone is not enough where pictures are wanted', () => {
  for (const hasVideo of [true, false]) {
    const watch = newWatch(hasVideo)
    for (let atMs = 0; atMs <= 20_000; atMs += 500) {
      watch.fed(atMs, false)
      watch.putOut(atMs)
      watch.progressed(atMs, Math.min(atMs / 40, 50))
    }
    assert.equal(/no picture/.test(watch.verdict(20_000) ?? ''), hasVideo)
  }
})

test('time in which we did not read is not its silence', () => {
  const watch = newWatch()
  watch.fed(0, false)
  watch.putOut(100)
  feed(watch, 200, 30_000)
  watch.resumed(30_000)
  assert.equal(watch.verdict(30_000), undefined)
})
