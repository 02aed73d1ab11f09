import assert from 'node:assert/strict'
import { test } from 'node:test'
import { candidateId } from '../failover/candidate.ts'
import { StreamLegs } from './stream-legs.ts'

const A = candidateId('a')
const B = candidateId('b')

function twoLegs() {
  const said: string[] = []
  const wanted = { media: false, playlists: false }
  const leg = (name: keyof typeof wanted) => ({
    leg: {
      putOnAir: (id: string, epoch: number, delayMs: number, keep: boolean) => {
        said.push(`${name} on ${id} ${epoch} ${delayMs} ${keep}`)
      },
      stop: () => void said.push(`${name} stop`),
    },
    isWanted: () => wanted[name],
    onIdle: () => void said.push(`${name} idle`),
  })
  const [media, playlists] = [leg('media'), leg('playlists')]
  return { said, wanted, media, playlists, legs: new StreamLegs([media, playlists]) }
}

test('only what is wanted is put on air', () => {
  const { said, wanted, legs, media, playlists } = twoLegs()
  wanted.playlists = true
  legs.putOnAir(A, 1, 50, false)
  assert.deepEqual(said, ['playlists on a 1 50 false'])
  assert.equal(legs.isRunning(media.leg), false)
  assert.equal(legs.isRunning(playlists.leg), true)
})

test('a leg that becomes wanted later begins with the source that is on air', () => {
  const { said, wanted, legs } = twoLegs()
  wanted.playlists = true
  legs.putOnAir(A, 1, 0, false)
  legs.putOnAir(B, 2, 0, true)
  wanted.media = true
  legs.startWanted()
  legs.startWanted()
  assert.deepEqual(said, ['playlists on a 1 0 false', 'playlists on b 2 0 true', 'media on b 2 0 false'])
})

test('before any source is on air nothing is started', () => {
  const { said, wanted, legs } = twoLegs()
  wanted.media = true
  legs.startWanted()
  assert.deepEqual(said, [])
})

test('a leg that nobody needs goes on until it is told to rest, and the other is left alone', () => {
  const { said, wanted, legs } = twoLegs()
  wanted.media = true
  wanted.playlists = true
  legs.putOnAir(A, 1, 0, false)
  wanted.media = false
  assert.equal(legs.isAnyIdle, true)
  assert.equal(legs.isAnyWanted, true)
  legs.putOnAir(B, 2, 0, true)
  legs.stopIdle()
  assert.equal(legs.isAnyIdle, false)
  assert.deepEqual(said.slice(2), ['media on b 2 0 true', 'playlists on b 2 0 true', 'media stop', 'media idle'])
})
