import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openProcessRoom } from '../../../test/lab/process-room.ts'
import { DECODER_QUEUE_BYTES_MAX, decoderArguments, decoderStarter } from './decoder.ts'
import type { DecoderEnd, DecoderSpec } from './decoder.ts'
import { PICTURE_BYTES } from './picture-watch.ts'

const SPEC: DecoderSpec = { videoPid: 256, audioPid: 257, pictures: 'keyframes', passthroughOption: '-fps_mode' }

interface Heard {
  readonly pictures: readonly (readonly [luma: number | undefined, mediaMs: number])[]
  readonly sound: Buffer
  readonly end: DecoderEnd
}

/** What is heard of a program in place of ffmpeg, which gets `input` and ends by itself. */
async function run(script: string, input = Buffer.alloc(188)): Promise<Heard> {
  await using room = openProcessRoom()
  const pictures: (readonly [number | undefined, number])[] = []
  const sound: Buffer[] = []
  const { promise, resolve } = Promise.withResolvers<DecoderEnd>()
  const listener = {
    picture: (luma: Buffer, mediaMs: number) => void pictures.push([luma[0], mediaMs]),
    sound: (samples: Buffer) => void sound.push(Buffer.from(samples)),
    ended: resolve,
  }
  const decoder = decoderStarter(room.processes, [process.execPath, '-e', script, '--'])(SPEC, listener)
  decoder.write(input)
  return { end: await promise, pictures, sound: Buffer.concat(sound) }
}

test('pictures come with the times that were logged, however both are cut', async () => {
  const heard = await run(`
    const { writeSync } = require('node:fs')
    const line = (n, time) => writeSync(2, '[Parsed_showinfo_3 @ 0x1] n:   ' + n + ' pts:  9 pts_time:' + time + ' fmt:gray\\n')
    writeSync(2, '[Parsed_showinfo_3 @ 0x1] config in time_base: 1/90000\\n[Parsed_showinfo_3 @ 0x1] color_range:pc\\n')
    line(0, '1.5')
    writeSync(1, Buffer.alloc(${PICTURE_BYTES + 100}, 7))
    writeSync(1, Buffer.alloc(${PICTURE_BYTES - 100}, 8))
    line(1, 'NOPTS')
    writeSync(3, Buffer.from([1, 2, 3]))
  `)
  assert.deepEqual(heard.pictures, [
    [7, 1_500],
    [7, Number.NaN],
  ])
  assert.deepEqual([...heard.sound], [1, 2, 3])
  assert.equal(heard.end.reason, 'exited')
})

test('its end is told with what it said last', async () => {
  const { end } = await run(`console.error('pipe:0: Invalid data found'); process.exitCode = 3`)
  assert.deepEqual(end, { reason: 'exited', detail: 'pipe:0: Invalid data found (3)' })
})

test('an option that it does not know is told apart', async () => {
  const { end } = await run(
    `console.error("Unrecognized option 'fps_mode'."); console.error('Error splitting the argument list')`,
  )
  assert.equal(end.reason, 'option_unknown')
})

test('a program that is not there is told, not thrown', async () => {
  await using room = openProcessRoom()
  const { promise, resolve } = Promise.withResolvers<DecoderEnd>()
  const listener = { picture: () => {}, sound: () => {}, ended: resolve }
  const decoder = decoderStarter(room.processes, ['/nowhere/ffmpeg'])(SPEC, listener)
  decoder.write(Buffer.alloc(188))
  assert.equal((await promise).reason, 'not_found')
})

test('pictures without times end it instead of piling up', async () => {
  const { end, pictures } = await run(`
    require('node:fs').writeSync(1, Buffer.alloc(${PICTURE_BYTES * 65}))
    process.stdin.resume()
  `)
  assert.match(end.detail, /do not match/)
  assert.equal(pictures.length, 0)
})

test('no more waits for it than the limit, and a decoder that was closed is silent', async () => {
  await using room = openProcessRoom()
  let isHeard = false
  const hear = () => {
    isHeard = true
  }
  const listener = { picture: hear, sound: hear, ended: hear }
  const sleeps = [process.execPath, '-e', 'setInterval(() => {}, 1000)', '--'] as const
  const decoder = decoderStarter(room.processes, sleeps)(SPEC, listener)
  const piece = Buffer.alloc(1024 * 1024)
  let taken = 0
  while (decoder.write(piece)) taken += piece.length
  assert.ok(taken >= DECODER_QUEUE_BYTES_MAX - piece.length && taken <= DECODER_QUEUE_BYTES_MAX, `${taken}`)
  decoder.close()
  assert.equal(decoder.write(piece), false)
  await room.processes[Symbol.asyncDispose]()
  assert.equal(isHeard, false)
})

test('only what is wanted is decoded', () => {
  const both = decoderArguments(SPEC)
  assert.deepEqual(
    both.filter((_, at) => both[at - 1] === '-map'),
    ['0:i:256', '0:i:257'],
  )
  assert.ok(both.includes('nokey'))
  const sound = decoderArguments({ ...SPEC, videoPid: undefined })
  assert.ok(!sound.includes('rawvideo') && sound.includes('s16le'))
  const picture = decoderArguments({
    ...SPEC,
    audioPid: undefined,
    pictures: 'references',
    passthroughOption: '-vsync',
  })
  assert.ok(picture.includes('noref') && picture.includes('-vsync') && !picture.includes('s16le'))
})
