import assert from 'node:assert/strict'
import { chmod, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { openProcessRoom } from '../../../test/lab/process-room.ts'
import { silentLog } from '../../lib/log.ts'
import { createSimulatedClock } from '../../lib/simulated-clock.ts'
import type { CodecSignature } from '../../mpegts/analyser/signature.ts'
import { createSlateRenderer } from './slate-renderer.ts'
import { SlateError } from './slate-error.ts'
import { FIXTURE_MS, fixtureBytes } from './slate.fixture.ts'

const never = new AbortController().signal

function signatureOfHeight(height: number): CodecSignature {
  const format = { profile: 'High', level: '4', width: 640, chroma: '4:2:0', bitDepth: 8, framesPerSecond: 25 } as const
  const video = { kind: 'video', codec: 'h264', streamType: 0x1b, language: undefined } as const
  return { streams: [{ ...video, format: { kind: 'video', ...format, height, isInterlaced: false } }] }
}

const signature = signatureOfHeight(360)

/**
 * A program in place of ffmpeg: it lists libx264, says what it finds in a file, and writes the fixture. Each rendering is
 * a line in `log`. While there is a file `hang`, renderings do not end; `fail` makes them fail.
 */
const FAKE = `
const { appendFileSync, existsSync, readFileSync } = require('node:fs')
const { dirname } = require('node:path')
const here = dirname(process.argv[1])
const args = process.argv.slice(2)
if (args.includes('-encoders')) console.log(' V....D libx264              H.264')
else if (!args.includes('mpegts')) {
  console.error("Input #0, png_pipe, from 'x':\\n  Duration: N/A, bitrate: N/A\\n  Stream #0:0: Video: png, rgb24")
  process.exitCode = 1
} else {
  // Looked at before it is known that it has begun.
  const isHanging = existsSync(here + '/hang')
  appendFileSync(here + '/log', args.join(' ') + '\\n')
  if (isHanging) setInterval(() => { if (!existsSync(here + '/hang')) process.exit(1) }, 20)
  else if (existsSync(here + '/fail')) { console.error('Unknown filter\\nmore'); process.exitCode = 1 }
  else process.stdout.write(readFileSync(here + '/fixture.ts'))
}
`

async function openRenderer(t: TestContext) {
  const clock = createSimulatedClock()
  const room = openProcessRoom({ clock })
  t.after(async () => await room[Symbol.asyncDispose]())
  const { directory, processes } = room
  const ffmpegPath = join(directory, 'ffmpeg')
  await writeFile(join(directory, 'fake.cjs'), FAKE)
  await writeFile(ffmpegPath, `#!/bin/sh\nexec "${process.execPath}" "${join(directory, 'fake.cjs')}" "$@"\n`)
  await chmod(ffmpegPath, 0o755)
  await writeFile(join(directory, 'fixture.ts'), fixtureBytes)
  const options = { directory: join(directory, 'cache'), ffmpegPath, processes, clock, log: silentLog }
  const renderings = async () => {
    const log = await readFile(join(directory, 'log'), 'utf8').catch(() => '')
    return log.split('\n').slice(0, -1)
  }
  const begun = async (count: number) => {
    while ((await renderings()).length < count) await clock.settle()
  }
  return { directory, clock, options, renderer: createSlateRenderer(options), renderings, begun }
}

function isSlateError(problem: SlateError['problem'], message: RegExp) {
  return (error: unknown) => error instanceof SlateError && error.problem === problem && message.test(error.message)
}

test('a slate is rendered once, and read from the disk by the next process', async (t) => {
  const { options, renderer, renderings } = await openRenderer(t)
  const slate = await renderer.slateFor(signature, {}, never)
  assert.equal(slate.durationMs, FIXTURE_MS)
  assert.equal(await renderer.slateFor(signature, {}, never), slate)
  const after = await createSlateRenderer(options).slateFor(signature, {}, never)
  assert.ok(after.bytes.equals(slate.bytes))
  assert.equal((await renderings()).length, 1)
})

test('another text, another signature and another file are other slates', async (t) => {
  const { renderer, renderings, directory } = await openRenderer(t)
  const file = join(directory, 'own.png')
  await renderer.slateFor(signature, {}, never)
  await renderer.slateFor(signature, { text: 'Other' }, never)
  await renderer.slateFor(signatureOfHeight(720), {}, never)
  for (const content of ['one', 'other', 'one']) {
    await writeFile(file, content)
    await renderer.slateFor(signature, { file }, never)
  }
  assert.equal((await renderings()).length, 5)
})

test('a damaged entry of the cache is rendered again', async (t) => {
  const { options, renderer, renderings } = await openRenderer(t)
  await renderer.slateFor(signature, {}, never)
  const [name = ''] = await readdir(options.directory)
  await writeFile(join(options.directory, name), 'damaged')
  const slate = await createSlateRenderer(options).slateFor(signature, {}, never)
  assert.equal(slate.durationMs, FIXTURE_MS)
  assert.equal((await renderings()).length, 2)
})

test('whoever asks for the same slate at the same time shares one rendering; others wait for their turn', async (t) => {
  const { directory, renderer, renderings, begun } = await openRenderer(t)
  await writeFile(join(directory, 'hang'), '')
  const abort = new AbortController()
  const first = renderer.slateFor(signature, {}, abort.signal)
  const second = renderer.slateFor(signature, {}, never)
  const other = renderer.slateFor(signatureOfHeight(720), {}, never)
  await begun(1)
  // One of two gives up: the other one's rendering goes on.
  abort.abort(new Error('left'))
  await assert.rejects(first, /left/)
  assert.equal((await renderings()).length, 1)
  await rm(join(directory, 'hang'))
  await assert.rejects(second, isSlateError('render_failed', /could not make it/))
  assert.equal((await other).durationMs, FIXTURE_MS)
  assert.equal((await renderings()).length, 2)
})

test('when nobody waits any more the rendering is killed, and the next one has its turn', async (t) => {
  const { directory, renderer, begun } = await openRenderer(t)
  await writeFile(join(directory, 'hang'), '')
  const abort = new AbortController()
  const only = renderer.slateFor(signature, {}, abort.signal)
  await begun(1)
  const next = renderer.slateFor(signatureOfHeight(720), {}, never)
  abort.abort(new Error('left'))
  await assert.rejects(only, /left/)
  await begun(2)
  const again = renderer.slateFor(signature, {}, never)
  await rm(join(directory, 'hang'))
  await assert.rejects(next, isSlateError('render_failed', /could not make it/))
  assert.equal((await again).durationMs, FIXTURE_MS)
})

test('a rendering that takes longer than half a minute is given up', async (t) => {
  const { clock, directory, renderer, begun } = await openRenderer(t)
  await writeFile(join(directory, 'hang'), '')
  const slate = renderer.slateFor(signature, {}, never)
  await begun(1)
  const outcome = assert.rejects(slate, isSlateError('render_failed', /30 s/))
  await clock.advance(30_001)
  await outcome
})

test('only so many slates wait to be rendered', async (t) => {
  const { directory, renderer, begun } = await openRenderer(t)
  await writeFile(join(directory, 'hang'), '')
  const abort = new AbortController()
  const waiting = Array.from({ length: 64 }, (_, index) =>
    renderer.slateFor(signatureOfHeight(100 + 2 * index), {}, abort.signal).catch((error: unknown) => error),
  )
  await begun(1)
  await assert.rejects(renderer.slateFor(signatureOfHeight(98), {}, never), isSlateError('busy', /64/))
  abort.abort(new Error('left'))
  for (const outcome of await Promise.all(waiting)) assert.match(String(outcome), /left/)
})

test('a failure says what ffmpeg said, is not kept, and the next attempt may succeed', async (t) => {
  const { directory, renderer } = await openRenderer(t)
  await writeFile(join(directory, 'fail'), '')
  await assert.rejects(renderer.slateFor(signature, {}, never), isSlateError('render_failed', /Unknown filter; more$/))
  await rm(join(directory, 'fail'))
  assert.equal((await renderer.slateFor(signature, {}, never)).durationMs, FIXTURE_MS)
})

test('text that needs a font is drawn without one where ffmpeg has none', async (t) => {
  const { directory, renderer, renderings } = await openRenderer(t)
  await writeFile(join(directory, 'fail'), '')
  await assert.rejects(renderer.slateFor(signature, { text: 'Скоро' }, never))
  const [withFont = '', without = ''] = await renderings()
  assert.match(withFont, /drawtext=.*Скоро/)
  assert.doesNotMatch(without, /drawtext/)
})

test('without ffmpeg, without an encoder, with an unknown picture or an unusable file there is no slate, and words for it', async (t) => {
  const { directory, options, renderer, renderings } = await openRenderer(t)
  const missing = createSlateRenderer({ ...options, ffmpegPath: join(directory, 'nothing') })
  const withCodec = (codec: 'vvc' | 'h264'): CodecSignature => ({
    streams: [{ kind: 'video', codec, streamType: 0x33, language: undefined, format: undefined }],
  })
  const cases: readonly (readonly [() => Promise<unknown>, SlateError['problem'], RegExp])[] = [
    [() => missing.slateFor(signature, {}, never), 'no_ffmpeg', /^slate unavailable: ffmpeg is not installed$/],
    [() => renderer.slateFor(withCodec('vvc'), {}, never), 'no_encoder', /no encoder for VVC/],
    [() => renderer.slateFor(withCodec('h264'), {}, never), 'format_unknown', /size of the channel's picture/],
    [() => renderer.slateFor({ streams: [] }, {}, never), 'format_unknown', /neither video nor audio/],
    [() => renderer.slateFor(signature, { file: '/nowhere/own.png' }, never), 'file_unusable', /\/nowhere\/own\.png/],
    [() => renderer.slateFor(signature, { file: directory }, never), 'file_unusable', /not a file/],
  ]
  for (const [slateFor, problem, message] of cases) await assert.rejects(slateFor(), isSlateError(problem, message))
  assert.deepEqual(await renderings(), [])
})
