import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compareSignatures, signatureOf } from './compare-signatures.ts'
import type { AudioFormat, CodecSignature, StreamSignature, VideoFormat } from './signature.ts'
import { buildStream } from './stream-builder.fixture.ts'

const VIDEO: VideoFormat = {
  kind: 'video',
  profile: 'High',
  level: '4',
  width: 1_920,
  height: 1_080,
  chroma: '4:2:0',
  bitDepth: 8,
  framesPerSecond: 25,
  isInterlaced: false,
}
const AUDIO: AudioFormat = { kind: 'audio', profile: 'LC', sampleRateHz: 48_000, channels: 2 }

function video(format: Partial<VideoFormat> = {}, stream: Partial<StreamSignature> = {}): StreamSignature {
  const base = { kind: 'video', codec: 'h264', streamType: 0x1b, language: undefined } as const
  return { ...base, format: { ...VIDEO, ...format }, ...stream }
}

function audio(format: Partial<AudioFormat> = {}, stream: Partial<StreamSignature> = {}): StreamSignature {
  const base = { kind: 'audio', codec: 'aac', streamType: 0x0f, language: undefined } as const
  return { ...base, format: { ...AUDIO, ...format }, ...stream }
}

function of(...streams: readonly StreamSignature[]): CodecSignature {
  return { streams }
}

function messages(first: CodecSignature, second: CodecSignature): readonly string[] {
  return compareSignatures(first, second).map(({ consequence, message }) => `${consequence}: ${message}`)
}

test('the same signature gives no warning, and neither does a rounding of the frame rate', () => {
  assert.deepEqual(messages(of(video(), audio()), of(video({ framesPerSecond: 25.001 }), audio())), [])
})

test('another codec freezes most players, and then nothing else about the picture matters', () => {
  const second = of(video({ width: 1_280, profile: 'Main' }, { codec: 'hevc' }), audio())
  assert.deepEqual(messages(of(video(), audio()), second), [
    'freezes: the backup is HEVC while the primary is H.264: most players freeze',
  ])
})

test('each difference in the picture is told, the worst first', () => {
  const second = of(video({ width: 1_280, height: 720, framesPerSecond: 50, bitDepth: 10 }), audio())
  assert.deepEqual(messages(of(video(), audio()), second), [
    'freezes: the backup is 4:2:0 10 bit while the primary is 4:2:0 8 bit: hardware decoders freeze',
    'may-stumble: the backup is 1280x720 while the primary is 1920x1080: some players flicker, and set-top boxes may freeze',
    'may-stumble: the backup is 50 fps while the primary is 25 fps: some players stutter or lose lip sync',
  ])
})

test('29.97 and 30 fps are different', () => {
  const [first, second] = [of(video({ framesPerSecond: 30_000 / 1_001 })), of(video({ framesPerSecond: 30 }))]
  assert.equal(messages(first, second).length, 1)
})

test('audio is compared by language, then by order', () => {
  const first = of(video(), audio({}, { language: 'deu' }), audio({ channels: 6 }, { language: 'eng' }))
  const second = of(video(), audio({ channels: 6 }, { language: 'eng' }), audio({}, { language: 'deu' }))
  assert.deepEqual(messages(first, second), [])
  assert.deepEqual(messages(first, of(video(), audio({}, { language: 'deu' }))), [
    'loses-a-track: the backup has no audio eng while the primary has: viewers of it hear nothing',
  ])
})

test('another audio codec or rate, and a missing track, are told', () => {
  assert.deepEqual(messages(of(audio()), of(audio({}, { codec: 'ac3' }))), [
    'loses-a-track: the backup has audio in AC-3 while the primary has it in AAC: most players go silent',
  ])
  assert.match(messages(of(audio()), of(audio({ sampleRateHz: 44_100 })))[0] ?? '', /^may-stumble: .*44100 Hz/)
  assert.match(messages(of(video(), audio()), of(audio()))[0] ?? '', /no video/)
})

test('what is not known yet is not a difference', () => {
  assert.deepEqual(messages(of(video(), audio()), of(video({}, { format: undefined }), audio())), [])
})

test('a signature is read from the bytes of a stream', () => {
  const [one, other] = [640, 1_280].map((width) => signatureOf(Buffer.concat(buildStream({ frames: 12, width }))))
  assert.ok(one !== undefined && other !== undefined)
  assert.deepEqual(
    one.streams.map(({ codec }) => codec),
    ['h264', 'aac'],
  )
  assert.deepEqual(compareSignatures(one, one), [])
  assert.equal(compareSignatures(one, other).length, 1)
  assert.equal(signatureOf(Buffer.from('<html></html>')), undefined)
})
