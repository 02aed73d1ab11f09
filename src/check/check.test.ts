import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { createSimulatedClock } from '../lib/simulated-clock.ts'
import { FINDINGS } from '../mpegts/analyser/finding.ts'
import { buildStream } from '../mpegts/analyser/stream-builder.fixture.ts'
import { runCheck } from './check.ts'
import { parseCheckOptions } from './check-options.ts'

const FIRST = buildStream({ frames: 64 })
const CLEAN = Buffer.concat(FIRST)
const SEAM = Buffer.concat([...FIRST, ...buildStream({ frames: 64, firstDts: 5_000_000 })])

interface Outcome {
  readonly code: number
  readonly output: string
  readonly complaint: string
}

async function* chunks(bytes: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += 10_000) yield bytes.subarray(at, at + 10_000)
}

/** Runs the command on standard input. */
async function checkStdin(
  input: AsyncIterable<Buffer>,
  args: readonly string[] = [],
  signal?: AbortSignal,
): Promise<Outcome> {
  let output = ''
  let complaint = ''
  const code = await runCheck({
    signal: signal ?? new AbortController().signal,
    args: [...args, '-'],
    write: (text) => {
      output += text
    },
    writeError: (text) => {
      complaint += text
    },
    clock: createSimulatedClock(),
    stdin: input,
  })
  return { code, output, complaint }
}

describe('the exit code', () => {
  test('is 0 for a clean stream', async () => {
    const { code, output } = await checkStdin(chunks(CLEAN))
    assert.equal(code, 0)
    assert.match(output, /nothing found/)
  })

  test('is 1 for a seam, and the report names condition, PID, clause and place', async () => {
    const { code, output } = await checkStdin(chunks(SEAM))
    assert.equal(code, 1)
    assert.match(output, /error +Continuity_count_error on 0x100 \(TR 101 290 1\.4\)/)
    assert.match(
      output,
      new RegExp(`packet ${FIRST.length + 2} at 2\\.52 s \\(byte ${(FIRST.length + 2) * 188}\\): DTS step`),
    )
  })

  test('is 0 for a note, and 1 when notes count', async () => {
    const noted = Buffer.concat([CLEAN, Buffer.from('G')])
    assert.equal((await checkStdin(chunks(noted))).code, 0)
    assert.equal((await checkStdin(chunks(noted), ['--strict'])).code, 1)
  })

  test('is 1 when the input breaks off, and the report says so', async () => {
    async function* broken(): AsyncGenerator<Buffer> {
      yield CLEAN
      throw new Error('the cable was cut')
    }
    const { code, output } = await checkStdin(broken())
    assert.equal(code, 1)
    assert.match(output, /the input broke off: the cable was cut/)
  })

  test('is 2 for an HLS playlist, which is not what is played', async () => {
    const { code, complaint } = await checkStdin(chunks(Buffer.from('#EXTM3U\n#EXTINF:4,\nsegment-1.ts\n')))
    assert.equal(code, 2)
    assert.match(complaint, /HLS playlist/)
  })

  test('is 2 for arguments that mean nothing, with the usage', async () => {
    const { code, complaint } = await checkStdin(chunks(CLEAN), ['--seconds', '0'])
    assert.equal(code, 2)
    assert.match(complaint, /--seconds takes a whole number from 1 to 86400, not 0[^]*usage: holdfast check/)
  })
})

test('an interruption ends the reading, and what came is reported', async () => {
  const stop = new AbortController()
  async function* endless(): AsyncGenerator<Buffer> {
    yield CLEAN
    stop.abort()
    await new Promise(() => {})
  }
  const { code, output } = await checkStdin(endless(), [], stop.signal)
  assert.equal(code, 0)
  assert.match(output, /^\d+ packets of 188 bytes[^]*interrupted/)
})

test('JSON has the whole report and how the reading ended', async () => {
  const { output } = await checkStdin(chunks(CLEAN), ['--json'])
  const report = JSON.parse(output) as Record<string, unknown>
  assert.equal(report['packets'], FIRST.length)
  assert.deepEqual(report['end'], { kind: 'complete' })
})

test('the input may be a file, a URL or standard input, once', () => {
  assert.deepEqual(parseCheckOptions(['a.ts']).input, { kind: 'file', path: 'a.ts' })
  assert.deepEqual(parseCheckOptions(['--', '-a.ts']).input, { kind: 'file', path: '-a.ts' })
  assert.deepEqual(parseCheckOptions(['-']).input, { kind: 'stdin' })
  const { input, readMsMax } = parseCheckOptions(['--seconds', '5', 'HTTP://host/x?y=1'])
  assert.equal(input.kind === 'url' ? input.url.href : '', 'http://host/x?y=1')
  assert.equal(readMsMax, 5_000)
  assert.throws(() => parseCheckOptions(['a.ts', 'b.ts']), /one input at a time/)
  assert.throws(() => parseCheckOptions([]), /nothing to check/)
})

test('docs/CHECK.md explains every finding, and no other', () => {
  const page = readFileSync(join(import.meta.dirname, '../../docs/CHECK.md'), 'utf8')
  const explained = [...page.matchAll(/^\| `(\w+)`/gm)].map(([, code]) => code ?? '')
  assert.deepEqual(explained.toSorted(), Object.keys(FINDINGS).toSorted())
})
