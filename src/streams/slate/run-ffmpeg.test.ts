import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openProcessRoom } from '../../../test/lab/process-room.ts'
import { createSimulatedClock } from '../../lib/simulated-clock.ts'
import type { SimulatedClock } from '../../lib/simulated-clock.ts'
import { runFfmpeg } from './run-ffmpeg.ts'
import type { FfmpegRun } from './run-ffmpeg.ts'
import { SlateError } from './slate-error.ts'

const never = new AbortController().signal

/** Runs a script in place of ffmpeg. */
async function runScript(script: string, { clock, ...options }: Partial<FfmpegRun> & { clock?: SimulatedClock } = {}) {
  await using room = openProcessRoom({ clock: clock ?? createSimulatedClock() })
  return await runFfmpeg({
    ...{ processes: room.processes, program: process.execPath, args: ['-e', script, '--', 'one'] },
    ...{ limitMs: 30_000, outputBytesMax: 1_000, signal: never, ...options },
  })
}

/** A script that says its process id and then never ends. */
const HANGS = `process.stdout.write(String(process.pid)); setInterval(() => {}, 1000)`

function isSlateError(problem: SlateError['problem'], message: RegExp) {
  return (error: unknown) => error instanceof SlateError && error.problem === problem && message.test(error.message)
}

test('what it writes and says comes back, and its input and arguments reach it', async () => {
  const script = `
    console.error('said ' + process.argv.at(-1))
    process.stdin.pipe(process.stdout)`
  const result = await runScript(script, { input: Buffer.from('in') })
  assert.deepEqual([result.isOk, result.output.toString(), result.lines], [true, 'in', ['said one']])
})

test('a failure is a result, with what it said', async () => {
  const result = await runScript(`console.error('no such filter'); process.exitCode = 1`, { input: Buffer.alloc(1e6) })
  assert.deepEqual([result.isOk, result.lines], [false, ['no such filter']])
})

test('a missing program is told in words', async () => {
  const missing = runScript('', { program: '/nowhere/ffmpeg' })
  await assert.rejects(missing, isSlateError('no_ffmpeg', /^slate unavailable: ffmpeg is not installed$/))
})

test('a program that takes too long is killed', async () => {
  const clock = createSimulatedClock()
  const running = runScript(HANGS, { clock })
  const outcome = assert.rejects(running, isSlateError('render_failed', /did not finish within 30 s/))
  await clock.advance(30_001)
  await outcome
  assert.equal(clock.pending, 0)
})

test('a program that writes too much is killed', async () => {
  const running = runScript(`setInterval(() => process.stdout.write(Buffer.alloc(4096)), 1)`)
  await assert.rejects(running, isSlateError('render_failed', /larger than/))
})

test('it ends with the signal, before and after it has begun', async () => {
  const abort = new AbortController()
  const running = runScript(HANGS, { signal: abort.signal })
  const reason = new Error('nobody wants it')
  abort.abort(reason)
  await assert.rejects(running, reason)
  await assert.rejects(runScript(HANGS, { signal: abort.signal }), reason)
})
