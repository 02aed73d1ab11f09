import assert from 'node:assert/strict'
import { test } from 'node:test'
import { REMUX_SCHEMES, remuxArguments } from './remux-arguments.ts'
import type { RemuxInput } from './remux-arguments.ts'
import { remuxFailure } from './remux-failure.ts'

function argumentsFor(scheme: RemuxInput['scheme'], more: Partial<RemuxInput> = {}): readonly string[] {
  return remuxArguments({ scheme, url: `${scheme}://host/x`, userAgent: 'ua', connectTimeoutMs: 4_000, ...more })
}

function valueOf(args: readonly string[], option: string): string | undefined {
  return args[args.indexOf(option) + 1]
}

test('every scheme may open its own protocols only, none of which reads files or web pages but the one for files', () => {
  for (const scheme of REMUX_SCHEMES) {
    const allowed = valueOf(argumentsFor(scheme), '-protocol_whitelist')?.split(',') ?? []
    assert.ok(allowed.length > 0)
    assert.equal(allowed.includes('file'), scheme === 'file')
    assert.ok(
      !allowed.some((name) => /http|pipe|concat|hls|data|crypto|subfile/.test(name)),
      `${scheme}: ${allowed.join()}`,
    )
  }
  assert.ok(!/hls|concat|dash|lavfi|image/.test(valueOf(argumentsFor('file'), '-format_whitelist') ?? 'hls'))
})

test('nothing is encoded', () => {
  for (const scheme of REMUX_SCHEMES) assert.equal(valueOf(argumentsFor(scheme), '-c'), 'copy')
})

test('times are in the unit that each protocol takes', () => {
  assert.equal(valueOf(argumentsFor('srt'), '-connect_timeout'), '4000')
  assert.equal(valueOf(argumentsFor('rtsp', { connectTimeoutMs: 30_000 }), '-timeout'), '30000000')
  assert.equal(valueOf(argumentsFor('rtmp'), '-rw_timeout'), '20000000')
})

test('an RTMP server hears the name that the host had before it was resolved', () => {
  const nominalUrl = 'rtmp://name.example:1936/app/stream'
  assert.equal(valueOf(argumentsFor('rtmp', { nominalUrl }), '-rtmp_tcurl'), 'rtmp://name.example:1936/app')
  assert.ok(!argumentsFor('rtmp').includes('-rtmp_tcurl'))
})

test('a failure is named by what ffmpeg said of it', () => {
  for (const [said, kind, status] of [
    ['method DESCRIBE failed: 404 Not Found', 'http_status', 404],
    ['Server returned 403 Forbidden (access denied)', 'http_status', 403],
    ['Server error: NetStream.Play.StreamNotFound', 'http_status', 404],
    ['rtsp://***:***@h/x: Connection refused', 'refused', undefined],
    ['Failed to resolve hostname h: Name or service not known', 'dns', undefined],
    ['rtmp://h/x: Connection timed out', 'connect_timeout', undefined],
    ['srt://h:1: Protocol not found', 'process_unavailable', undefined],
    ['something else', 'process_failed', undefined],
  ] as const) {
    const failure = remuxFailure({ reason: 'exited', code: 1, signal: null, stderrTail: ['first', said] })
    assert.deepEqual([failure.kind, failure.status], [kind, status], said)
    assert.match(String(failure.evidence?.['stderr']), /first/)
  }
})
