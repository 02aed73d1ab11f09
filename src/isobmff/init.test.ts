import assert from 'node:assert/strict'
import { test } from 'node:test'
import { findBox, findPath, numbers, writeBox, writeFullBox } from './box.ts'
import { codecString } from './codec-string.ts'
import { writeAc3Configuration, writeEac3Configuration } from './dolby-configuration.ts'
import { writeInit } from './init-writer.ts'
import { readMovie } from './init-reader.ts'
import { IsobmffError } from './isobmff-error.ts'
import type { ReadTrack, WrittenTrack } from './track.ts'
import { AAC_TRACK, AVC_TRACK, HEVC_TRACK } from './tracks.fixture.ts'

function read(init: Buffer): readonly ReadTrack[] {
  const moov = findBox(init, 'moov')
  assert.ok(moov !== undefined)
  return readMovie(init, moov)
}

test('what an initialisation segment is written of is read from it', () => {
  const ac3 = writeAc3Configuration(Buffer.from('0b77000014400000000000000000000000000000', 'hex'))
  assert.ok(ac3 !== undefined)
  const tracks: readonly WrittenTrack[] = [
    AVC_TRACK,
    AAC_TRACK,
    { ...HEVC_TRACK, id: 3 },
    { ...AAC_TRACK, id: 4, language: undefined, codec: { kind: 'ac3', configuration: ac3 } },
    {
      ...AVC_TRACK,
      id: 5,
      codec: { kind: 'mpeg4-video', descriptor: { objectType: 0x61, specific: Buffer.alloc(200, 7) } },
    },
  ]
  const found = read(writeInit(tracks))
  for (const [index, track] of found.entries()) {
    const { hevcProfile: _, ...expected } = tracks[index] ?? AVC_TRACK
    const codec =
      expected.codec.kind === 'avc'
        ? { ...expected.codec, avc: { ...expected.codec.avc, chroma: undefined } }
        : expected.codec
    const defaults = { duration: 0, size: 0, flags: 0 }
    assert.deepEqual(track, { ...expected, codec, protection: undefined, editOffset: 0, defaults })
  }
  assert.equal(found.length, tracks.length)
})

test('codecs have the names that source buffers know', () => {
  const nameOf = ({ codec }: WrittenTrack) => codecString(codec)
  assert.equal(nameOf(AVC_TRACK), 'avc1.640015')
  assert.equal(nameOf(HEVC_TRACK), 'hvc1.1.6.L60.90')
  assert.equal(nameOf(AAC_TRACK), 'mp4a.40.2')
  const audio = (objectType: number) =>
    codecString({ kind: 'mpeg4-audio', descriptor: { objectType, specific: Buffer.alloc(0) } })
  assert.equal(audio(0x6b), 'mp4a.6B')
  assert.equal(codecString({ kind: 'other', entryType: 'dvh1' }), undefined)
})

test('a protected track is told with its scheme and its original codec', () => {
  const init = writeInit([AAC_TRACK])
  const moov = findBox(init, 'moov')
  assert.ok(moov !== undefined)
  const stsd = findPath(init, moov, ['trak', 'mdia', 'minf', 'stbl', 'stsd'])
  assert.ok(stsd !== undefined)
  const [entry, esds] = [init.indexOf('mp4a'), init.indexOf('esds')]
  const scheme = writeFullBox('schm', 0, 0, Buffer.from('cbcs'), numbers([4, 0x0001_0000]))
  const sinf = writeBox('sinf', writeBox('frma', Buffer.from('mp4a')), scheme)
  // In place of the encoding's name; the box grows, and with it all that it stands in.
  const grown = Buffer.concat([init.subarray(0, esds - 4), sinf, init.subarray(esds - 4)])
  grown.write('enca', entry)
  for (const type of ['moov', 'trak', 'mdia', 'minf', 'stbl', 'stsd', 'enca']) {
    const at = grown.indexOf(type) - 4
    grown.writeUInt32BE(grown.readUInt32BE(at) + sinf.length, at)
  }
  const [track] = read(grown)
  assert.deepEqual(track?.protection, { scheme: 'cbcs' })
  assert.equal(track.codec.kind, 'mpeg4-audio')
})

test('an edit list that starts late, and behind the first sample, moves the presentation', () => {
  const init = writeInit([AAC_TRACK])
  // 90,000 ticks of the movie without anything, then from the 1,024th sample on.
  const edits = numbers([4, 2], [4, 90_000], [4, 0xffff_ffff], [4, 0x0001_0000], [4, 0], [4, 1_024], [4, 0x0001_0000])
  const edts = writeBox('edts', writeFullBox('elst', 0, 0, edits))
  const at = init.indexOf('mdia') - 4
  const grown = Buffer.concat([init.subarray(0, at), edts, init.subarray(at)])
  for (const type of ['moov', 'trak']) {
    const size = grown.indexOf(type) - 4
    grown.writeUInt32BE(grown.readUInt32BE(size) + edts.length, size)
  }
  assert.equal(read(grown)[0]?.editOffset, 48_000 - 1_024)
})

test('E-AC-3 with a dependent substream tells its channels beyond 5.1', () => {
  // Independent, 3/2 with LFE, 8 bytes of 16; then dependent with chanmap Lrs/Rrs (7.1).
  const independent = Buffer.alloc(16)
  independent.set([0x0b, 0x77, 0x00, 0x07, 0x3f, 0x80])
  const dependent = Buffer.alloc(16)
  // strmtyp 1, frmsiz 7; fscod 0, numblkscod 3, acmod 2; bsid 16; no compr; chanmape, chanmap bit 6.
  dependent.set([0x0b, 0x77, 0x40, 0x07, 0x34, 0x80])
  // Bits 45 to 49 dialnorm, 50 compre, 51 chanmape, 52 to 67 chanmap with bit 6 set: bit 58.
  dependent[6] = 0x10
  dependent[7] = 0x20
  const box = writeEac3Configuration(Buffer.concat([independent, dependent]), 1_536, 48_000)
  assert.ok(box !== undefined)
  const content = box.subarray(8)
  assert.equal(content.readUInt16BE(0) & 7, 0, 'one independent substream')
  const dependents = ((content[4] ?? 0) >>> 1) & 0x0f
  assert.equal(dependents, 1)
  const locations = (((content[4] ?? 0) & 1) << 8) | (content[5] ?? 0)
  assert.equal(locations, 1 << 1, 'Lrs and Rrs')
})

test('a box that does not fit into its parent is an error of its own kind', () => {
  const init = writeInit([AVC_TRACK])
  const at = init.indexOf('mdia') - 4
  init.writeUInt32BE(0x7fff_ffff, at)
  assert.throws(() => read(init), IsobmffError)
})
