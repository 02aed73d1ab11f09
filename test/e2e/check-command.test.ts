import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { createAnalyser } from '../../src/mpegts/analyser/analyser.ts'
import type { AnalyserReport } from '../../src/mpegts/analyser/report.ts'
import { PACKET_BYTES, pidOf } from '../../src/mpegts/packet.ts'
import { runTool } from '../lab/media.ts'
import { dtsSteps, probePackets } from '../lab/seam-oracle.ts'

/** `holdfast check` as a process, and the analyser beside ffmpeg and ffprobe on what ffmpeg makes. */
const hasFfmpeg = spawnSync('ffmpeg', ['-version']).status === 0 && spawnSync('ffprobe', ['-version']).status === 0
const skip = hasFfmpeg ? false : 'ffmpeg and ffprobe are not installed'
const MAIN = join(import.meta.dirname, '../../src/main.ts')

const X264 = ['-c:v', 'libx264', '-preset', 'ultrafast', '-bf', '2', '-g', '25']
const X265 = ['-c:v', 'libx265', '-preset', 'ultrafast', '-x265-params', 'log-level=none:keyint=25']
const encodings = {
  'H.264, AAC': [...X264, '-c:a', 'aac'],
  'H.264 High, AAC in LATM': ['-c:v', 'libx264', '-preset', 'veryfast', '-c:a', 'aac', '-mpegts_flags', 'latm'],
  'H.264 interlaced, MP2': [...X264, '-flags', '+ilme+ildct', '-x264opts', 'tff=1', '-c:a', 'mp2'],
  'HEVC, AC-3': [...X265, '-c:a', 'ac3'],
  'MPEG-2, E-AC-3': ['-c:v', 'mpeg2video', '-bf', '2', '-g', '12', '-b:v', '1M', '-c:a', 'eac3'],
  'constant rate': [...X264, '-b:v', '300k', '-c:a', 'aac', '-muxrate', '900000'],
  'across the wrap of 2^33': [...X264, '-c:a', 'aac', '-output_ts_offset', '95440.5'],
} as const

let directory: string
const pathOf = (name: string): string => join(directory, `${name}.ts`)

async function make(name: string, picture: string, args: readonly string[]): Promise<Buffer> {
  const inputs = ['-f', 'lavfi', '-i', `${picture}=size=160x96:rate=25`, '-f', 'lavfi', '-i', 'sine=sample_rate=48000']
  const output = ['-t', '5', '-pix_fmt', 'yuv420p', ...args, '-f', 'mpegts', pathOf(name)]
  const made = await runTool('ffmpeg', ['-v', 'error', '-nostdin', '-y', ...inputs, ...output])
  assert.equal(made.code, 0, made.stderr)
  return await readFile(pathOf(name))
}

function analyse(bytes: Buffer): AnalyserReport {
  const analyser = createAnalyser()
  analyser.push(bytes)
  return analyser.report()
}

function countOf({ findings }: AnalyserReport, wanted: string): number {
  return findings.filter(({ code }) => code === wanted).reduce((sum, { count }) => sum + count, 0)
}

/**
 * Through a pipe, since ffmpeg reads a file it can seek in more than once, and complains each time. Tables of two sources
 * may be the same packet twice, which is legal and which ffmpeg counts.
 */
function continuityErrorsByFfmpeg(input: Buffer): number {
  const args = ['-v', 'debug', '-i', 'pipe:0', '-map', '0', '-c', 'copy', '-f', 'null', '-']
  const { stderr } = spawnSync('ffmpeg', args, { input, timeout: 30_000, maxBuffer: 64 * 1024 * 1024 })
  const complaints = stderr.toString().matchAll(/Continuity check failed for pid (\d+) expected (\d+) got (\d+)/g)
  return [...complaints].filter(([, pid, expected, got]) => {
    const isMedia = Number(pid) === 0x100 || Number(pid) === 0x101
    return isMedia || (Number(got) + 1) % 16 !== Number(expected)
  }).length
}

interface CommandResult {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

async function holdfastCheck(args: readonly string[], input?: Buffer): Promise<CommandResult> {
  const child = spawn(process.execPath, [MAIN, 'check', ...args], { stdio: ['pipe', 'pipe', 'pipe'] })
  const out: Buffer[] = []
  const err: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => out.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => err.push(chunk))
  child.stdin.on('error', () => {})
  child.stdin.end(input)
  const code = await new Promise<number | null>((resolve) => {
    child.once('close', resolve)
  })
  return { code, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() }
}

const parts = new Map<string, Buffer>()
before(async () => {
  if (skip !== false) return
  directory = await mkdtemp(join(tmpdir(), 'holdfast-check-'))
  const base = encodings['H.264, AAC']
  parts.set('first', await make('first', 'testsrc2', base))
  parts.set('same', await make('same', 'smptehdbars', [...base, '-output_ts_offset', '4990']))
  const otherPids = ['-mpegts_start_pid', '0x200', '-mpegts_pmt_start_pid', '0x1080']
  parts.set('other', await make('other', 'smptehdbars', [...base, '-output_ts_offset', '4990', ...otherPids]))
})
after(async () => {
  if (skip === false) await rm(directory, { recursive: true, force: true })
})

const share = (name: string, from: number, to: number): Buffer => {
  const bytes = parts.get(name) ?? Buffer.alloc(0)
  const at = (part: number) => Math.floor((bytes.length / PACKET_BYTES) * part) * PACKET_BYTES
  return bytes.subarray(at(from), at(to))
}
const packetsOf = (bytes: Buffer): Buffer[] =>
  Array.from({ length: Math.floor(bytes.length / PACKET_BYTES) }, (_, index) =>
    bytes.subarray(index * PACKET_BYTES, (index + 1) * PACKET_BYTES),
  )

for (const [name, args] of Object.entries(encodings)) {
  test(`${name}: finds nothing wrong, and agrees with ffprobe on formats and DTS steps`, { skip }, async () => {
    const file = name.replaceAll(/\W+/g, '-')
    const report = analyse(await make(file, 'testsrc2', args))
    assert.deepEqual(
      report.findings.filter(({ severity }) => severity !== 'note'),
      [],
    )
    const entries = 'stream=codec_type,width,height,r_frame_rate,sample_rate,channels'
    const probed = await runTool('ffprobe', ['-v', 'error', '-show_entries', entries, '-of', 'json', pathOf(file)])
    const { streams } = JSON.parse(probed.stdout) as { streams: Record<string, unknown>[] }
    const packets = await probePackets(pathOf(file))
    for (const stream of report.programmes[0]?.streams ?? []) {
      const expected = streams.find(({ codec_type }) => codec_type === stream.kind)
      const { format } = stream
      if (format?.kind === 'video') {
        assert.deepEqual([format.width, format.height], [expected?.['width'], expected?.['height']])
        assert.equal(`${format.framesPerSecond}/1`, expected?.['r_frame_rate'])
        const steps = dtsSteps(packets, 'video')
        assert.equal(stream.dtsStep?.maxMs, Math.max(...steps) / 90)
        assert.equal(stream.dtsStep?.minMs, Math.min(...steps) / 90)
      } else {
        assert.equal(format?.kind, 'audio')
        assert.deepEqual(
          [`${format.sampleRateHz}`, format.channels],
          [expected?.['sample_rate'], expected?.['channels']],
        )
        const count = packets.filter(({ kind }) => kind === 'audio').length
        assert.equal(stream.audio?.frames, count)
      }
    }
  })
}

test('a naive concatenation: as many continuity errors as ffmpeg, and the step of DTS', { skip }, async () => {
  const bytes = Buffer.concat([share('first', 0, 0.5), share('same', 0.3, 1)])
  await writeFile(pathOf('naive'), bytes)
  const report = analyse(bytes)
  assert.ok(countOf(report, 'continuity_count_error') >= 2)
  assert.equal(countOf(report, 'continuity_count_error'), continuityErrorsByFfmpeg(bytes))
  const largest = Math.max(...dtsSteps(await probePackets(pathOf('naive')), 'video')) / 90
  const step = report.findings.find(({ code }) => code === 'dts_step')
  assert.ok(Math.abs((step?.worst ?? 0) - largest) < 1)
  assert.equal(countOf(report, 'jump_without_random_access'), 1)
  assert.equal(countOf(report, 'pcr_discontinuity_error'), 1)
})

test('joined at a keyframe without rewriting: continuity and timestamps remain', { skip }, () => {
  const second = packetsOf(share('same', 0.3, 1))
  const key = second.findIndex(
    (each) => pidOf(each, 0) === 0x100 && ((each[3] ?? 0) & 0x20) !== 0 && ((each[5] ?? 0) & 0x40) !== 0,
  )
  const bytes = Buffer.concat([share('first', 0, 0.5), ...second.slice(key)])
  const report = analyse(bytes)
  assert.equal(countOf(report, 'continuity_count_error'), continuityErrorsByFfmpeg(bytes))
  assert.equal(countOf(report, 'dts_step'), 1)
  assert.equal(countOf(report, 'jump_without_random_access'), 0)
})

test('other PIDs: the programme changes, or its PIDs are missing where the first tables stay', { skip }, () => {
  const changed = analyse(Buffer.concat([share('first', 0, 0.5), share('other', 0.3, 1)]))
  assert.ok(countOf(changed, 'programme_changed') >= 1)
  assert.ok(countOf(changed, 'table_version_error') >= 1)
  const first = share('first', 0, 0.5)
  const tables = packetsOf(share('first', 0, 1))
    .filter((each) => [0, 0x1000].includes(pidOf(each, 0)))
    .slice(0, 2)
  const withoutTables = packetsOf(Buffer.concat([share('other', 0.2, 1), share('other', 0.2, 1)])).flatMap((each) => {
    return [0, 0x1080].includes(pidOf(each, 0)) ? tables : [each]
  })
  const kept = analyse(Buffer.concat([first, ...withoutTables]))
  assert.ok(countOf(kept, 'pts_error') >= 1, 'the streams that the PMT names stay away')
  assert.equal(countOf(kept, 'unreferenced_pid'), 2)
})

test('lost packets: as many continuity errors as packets, and as ffmpeg finds', { skip }, () => {
  const media = packetsOf(share('first', 0, 1))
  const kept = media.filter((each, index) => index % 400 !== 200)
  const report = analyse(Buffer.concat(kept))
  assert.equal(countOf(report, 'continuity_count_error'), media.length - kept.length)
  assert.equal(countOf(report, 'continuity_count_error'), continuityErrorsByFfmpeg(Buffer.concat(kept)))
})

test('ends with 0 for a clean file and says what is in it', { skip }, async () => {
  const { code, stdout, stderr } = await holdfastCheck([pathOf('first')])
  assert.equal(code, 0, stderr)
  assert.match(stdout, /0x100 H\.264 160x96 25 fps/)
  assert.match(stdout, /0x101 AAC LC 48000 Hz 1 channel/)
})

test('ends with 1 for a seam, read from standard input, and prints JSON that has the finding', { skip }, async () => {
  const { code, stdout } = await holdfastCheck(
    ['--json', '-'],
    Buffer.concat([share('first', 0, 0.5), share('same', 0, 1)]),
  )
  assert.equal(code, 1)
  const report = JSON.parse(stdout) as AnalyserReport
  assert.equal(countOf(report, 'dts_step'), 1)
})

test('ends with 2 and a reason when there is nothing to check', { skip }, async () => {
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [[], /nothing to check/],
    [['--fast', 'x.ts'], /unknown option --fast/],
    [['rtsp://host/x'], /only http and https/],
    [[join(directory, 'missing.ts')], /no such file/],
  ]
  for (const [args, reason] of cases) {
    const { code, stderr } = await holdfastCheck(args)
    assert.equal(code, 2)
    assert.match(stderr, reason)
  }
})

test('reads a live URL for as long as it may, and reports what came', { skip }, async () => {
  const bytes = share('first', 0, 1)
  const server = createServer((request, response) => {
    if (request.url !== '/live') response.writeHead(404).end()
    // Never ended: a live stream.
    else response.write(bytes)
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  try {
    const { port } = server.address() as AddressInfo
    const live = await holdfastCheck(['--seconds', '5', `http://127.0.0.1:${port}/live`])
    assert.equal(live.code, 0, live.stdout + live.stderr)
    assert.match(live.stdout, new RegExp(`^${bytes.length / PACKET_BYTES} packets of 188 bytes`))
    const absent = await holdfastCheck([`http://user:secret@127.0.0.1:${port}/absent`])
    assert.equal(absent.code, 2)
    assert.match(absent.stderr, /answers 404/)
    assert.doesNotMatch(absent.stderr, /secret/)
  } finally {
    server.closeAllConnections()
    await new Promise((resolve) => {
      server.close(resolve)
    })
  }
})
